import type { CentralStatus } from "./central-status.ts";

/** Prometheus' text format 0.0.4. No labels from outside, so their number is fixed. */
export function renderMetrics(status: CentralStatus): string {
  const { http, volunteers, swarm } = status;
  return [
    metric("prsync_release", "gauge", "Number of the current release", status.release?.number ?? 0),
    metric("prsync_volunteers_enrolled", "gauge", "Volunteers that may take part", volunteers.enrolled),
    metric("prsync_volunteers_heard", "gauge", "Volunteers that announced within two intervals", volunteers.heard),
    metric("prsync_volunteers_syncing", "gauge", "Of these, synchronising", volunteers.syncing),
    metric("prsync_volunteers_current", "gauge", "Of these, at the current release", volunteers.current),
    metric("prsync_event_subscribers", "gauge", "Open event streams", status.subscribers),
    metric("prsync_swarm_connections", "gauge", "Peer connections of the origin", swarm.connections),
    metric("prsync_customer_requests_total", "counter", "Requests for files", http.customerRequests),
    metric("prsync_customer_bytes_total", "counter", "Body bytes of contents over HTTP", http.customerBytes),
    metric("prsync_customer_redirects_total", "counter", "Requests sent to a volunteer", http.customerRedirects),
    metric("prsync_customers_refused_total", "counter", "Requests beyond an address's rate", http.customersRefused),
    metric("prsync_redirected_bytes_total", "counter", "Lengths of the files that were sent for", http.redirectedBytes),
    metric("prsync_customer_misses_total", "counter", "Customers that a volunteer sent back", http.customerMisses),
    metric("prsync_contents_gone_total", "counter", "Released contents that could not be sent", http.contentsGone),
    metric("prsync_metadata_requests_total", "counter", "Requests for metadata", http.metadataRequests),
    metric("prsync_announces_total", "counter", "Announces of volunteers", http.announces),
    metric("prsync_announces_refused_total", "counter", "Announces refused", http.announcesRefused),
    metric("prsync_enrolments_total", "counter", "Enrolments", http.enrolments),
    metric("prsync_enrolments_refused_total", "counter", "Enrolments refused", http.enrolmentsRefused),
    metric("prsync_warnings", "gauge", "Warnings for the operator, see the status page", status.warnings.length),
  ].join("");
}

function metric(name: string, type: "gauge" | "counter", help: string, value: number): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`;
}

/** What `serve` did since it started; names are those of the metrics. */
export class CentralCounters {
  customerRequests = 0;
  /** Body bytes to customers, contents by hash included. */
  customerBytes = 0;
  /** Of the requests, those sent to a volunteer. */
  customerRedirects = 0;
  /** What was asked for of the files in question: the ranges, else the whole. */
  redirectedBytes = 0;
  /** Requests refused because their address asked for too many files. */
  customersRefused = 0;
  /** Customers that a volunteer sent back. */
  customerMisses = 0;
  /** Files that the release names but of which no intact copy was left. */
  contentsGone = 0;
  metadataRequests = 0;
  announces = 0;
  announcesRefused = 0;
  enrolments = 0;
  enrolmentsRefused = 0;
}

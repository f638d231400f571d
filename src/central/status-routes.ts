import type { FastifyInstance, FastifyReply } from "fastify";
import { centralStatus, type StatusContext, volunteerStatuses } from "./central-status.ts";
import { renderMetrics } from "./metrics-text.ts";
import { renderStatusPage, STATUS_PAGE_POLICY } from "./status-page.ts";

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";

/** What operators and their monitors read. */
export function registerStatusRoutes(app: FastifyInstance, context: StatusContext): void {
  const status = () => centralStatus(context);
  const volunteers = () => volunteerStatuses(context);
  app.get("/.prsync/health", async (_request, reply) => send(reply, TEXT, "ok\n"));
  app.get("/.prsync/ready", async (_request, reply) => {
    if (context.tree.release !== undefined) return send(reply, TEXT, "ready\n");
    return send(reply.code(503), TEXT, "no release yet: run prsync publish\n");
  });
  app.get("/.prsync/metrics", async (_request, reply) => {
    return send(reply, "text/plain; version=0.0.4", renderMetrics(status()));
  });
  app.get("/.prsync/api/v1/status", async (_request, reply) => send(reply, JSON_TYPE, toJson(status())));
  app.get("/.prsync/api/v1/volunteers", async (_request, reply) => send(reply, JSON_TYPE, toJson(volunteers())));
  app.get("/.prsync/status", async (_request, reply) => {
    void reply.header("Content-Security-Policy", STATUS_PAGE_POLICY);
    return send(reply, "text/html; charset=utf-8", renderStatus(context));
  });
}

/** How old the page may be: fifty viewers fetch it at the same moment, and it lists every volunteer. */
const PAGE_AGE_MS = 1_000;
const pages = new WeakMap<StatusContext, { readonly html: string; readonly atMs: number }>();

/** The page as it is now or was a second ago. */
export function renderStatus(context: StatusContext): string {
  const nowMs = context.clock.monotonicMs();
  const known = pages.get(context);
  if (known !== undefined && nowMs - known.atMs < PAGE_AGE_MS) return known.html;
  const html = renderStatusPage(centralStatus(context), volunteerStatuses(context));
  pages.set(context, { html, atMs: nowMs });
  return html;
}

function send(reply: FastifyReply, mediaType: string, text: string): FastifyReply {
  return reply.header("Content-Type", mediaType).header("Cache-Control", "no-store").send(text);
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

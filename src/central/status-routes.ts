import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import {
  centralStatus,
  publicStatus,
  publicVolunteers,
  type StatusContext,
  volunteerStatuses,
} from "./central-status.ts";
import { renderMetrics } from "./metrics-text.ts";
import type { StatusAccess } from "./status-access.ts";
import { renderStatusPage, STATUS_PAGE_POLICY } from "./status-page.ts";

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json; charset=utf-8";
const METRICS_TYPE = "text/plain; version=0.0.4";

/** Monitors look by HEAD, too. */
const WITH_HEAD = { exposeHeadRoute: true } as const;

/** How old an answer may be. Each lists every volunteer or counts them: asked for a thousand times a second it would take all of a core. */
const AGE_MS = 1_000;
/** The operator's own look is as good as new. */
const OPERATORS_AGE_MS = 100;

/** What operators and their monitors read; others see less of it. */
export function registerStatusRoutes(app: FastifyInstance, context: StatusContext, access: StatusAccess): void {
  const kept = new KeptTexts(context);
  app.get("/.prsync/health", WITH_HEAD, async (_request, reply) => send(reply, TEXT, "ok\n"));
  app.get("/.prsync/ready", WITH_HEAD, async (_request, reply) => {
    if (context.tree.release !== undefined) return send(reply, TEXT, "ready\n");
    return send(reply.code(503), TEXT, "no release yet: run prsync publish\n");
  });
  app.get("/.prsync/metrics", WITH_HEAD, async (request, reply) => send(reply, METRICS_TYPE, read(request, "metrics")));
  app.get("/.prsync/api/v1/status", WITH_HEAD, async (request, reply) =>
    send(reply, JSON_TYPE, read(request, "status")),
  );
  app.get("/.prsync/api/v1/volunteers", WITH_HEAD, async (request, reply) =>
    send(reply, JSON_TYPE, read(request, "volunteers")),
  );
  app.get("/.prsync/status", WITH_HEAD, async (request, reply) => {
    void reply.header("Content-Security-Policy", STATUS_PAGE_POLICY);
    return send(reply, "text/html; charset=utf-8", read(request, "page"));
  });

  function read(request: FastifyRequest, what: StatusText): string {
    return kept.text(what, access.isForOperator(request));
  }
}

type StatusText = "metrics" | "status" | "volunteers" | "page";

/** Made once and shown to all who ask within its age. */
class KeptTexts {
  readonly #context: StatusContext;
  readonly #kept = new Map<string, { readonly text: string; readonly atMs: number }>();

  constructor(context: StatusContext) {
    this.#context = context;
  }

  text(what: StatusText, isForOperator: boolean): string {
    const nowMs = this.#context.clock.monotonicMs();
    const key = `${what} ${isForOperator}`;
    const known = this.#kept.get(key);
    const ageMs = isForOperator && what !== "page" ? OPERATORS_AGE_MS : AGE_MS;
    if (known !== undefined && nowMs - known.atMs < ageMs) return known.text;
    const text = render(this.#context, what, isForOperator);
    this.#kept.set(key, { text, atMs: nowMs });
    return text;
  }
}

function render(context: StatusContext, what: StatusText, isForOperator: boolean): string {
  switch (what) {
    case "metrics":
      return renderMetrics(centralStatus(context));
    case "status":
      return toJson(isForOperator ? centralStatus(context) : publicStatus(centralStatus(context)));
    case "volunteers":
      return toJson(isForOperator ? volunteerStatuses(context) : publicVolunteers(volunteerStatuses(context)));
    case "page":
      return isForOperator
        ? renderStatusPage(centralStatus(context), volunteerStatuses(context))
        : renderStatusPage(publicStatus(centralStatus(context)), publicVolunteers(volunteerStatuses(context)));
  }
}

/** The operator's page as it is now. */
export function renderStatus(context: StatusContext): string {
  return render(context, "page", true);
}

function send(reply: FastifyReply, mediaType: string, text: string): FastifyReply {
  return reply
    .header("Content-Type", mediaType)
    .header("Cache-Control", "no-store")
    .header("X-Content-Type-Options", "nosniff")
    .send(text);
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

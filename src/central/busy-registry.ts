import type { FastifyReply } from "fastify";
import { sendProblem } from "../net/http-server-problem.ts";
import { StoreError } from "../store/errors.ts";

/** 503 to who wants something noted in the list of volunteers while another program keeps it locked. Any other error is thrown on. */
export function sendRegistryBusy(reply: FastifyReply, error: unknown): FastifyReply {
  if (!(error instanceof StoreError) || error.code !== "registry-busy") throw error;
  const message = "another program keeps the list of volunteers locked; ask again later";
  return sendProblem(reply.header("Retry-After", "5"), 503, { code: error.code, message });
}

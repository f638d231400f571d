import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/kernel-setup.ts"],
    // No claims of speed: limits against what hangs, on machines that may be several times slower than usual.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // vitest's own second is too short for what waits for sockets, threads and other programs.
    expect: { poll: { timeout: 20_000 } },
    pool: "forks",
    maxWorkers: 2,
    // CI machines are shared: a test that a starved process failed gets one more try, and the report says so.
    retry: process.env["CI"] === "true" ? 1 : 0,
    reporters: ["default"],
  },
});

import { expect, test } from "vitest";
import { customersAt, type NamedUrl } from "../../../src/cli/customers-url.ts";

const at = (publicUrl: string | undefined): NamedUrl => ({ publicUrl, isProxied: false });

test("without --public-url customers come to the address of --listen, if it is one", () => {
  expect(customersAt(at(undefined), { host: "192.0.2.1", port: 7381 })).toEqual({
    customerUrl: "http://192.0.2.1:7381",
    isAskedByContent: true,
  });
  expect(customersAt(at(undefined), { host: "2001:db8::1", port: 7381 }).customerUrl).toBe("http://[2001:db8::1]:7381");
  expect(customersAt(at(undefined), { host: "::", port: 7381 }).customerUrl).toBeUndefined();
  expect(customersAt(at(undefined), { host: "0.0.0.0", port: 7381 }).customerUrl).toBeUndefined();
});

test.each([
  ["http://mirror.example.org:7381", "::"],
  ["http://mirror.example.org:7381", "0.0.0.0"],
  ["http://192.0.2.1:7381", "192.0.2.1"],
  ["http://[2001:db8::1]:7381", "2001:db8::1"],
])("%s leads to the daemon that listens there (%s, port 7381)", (url, host) => {
  expect(customersAt(at(url), { host, port: 7381 })).toEqual({ customerUrl: url, isAskedByContent: true });
});

test("port 80 is the one that is left out", () => {
  expect(customersAt(at("http://mirror.example.org"), { host: "::", port: 80 }).isAskedByContent).toBe(true);
});

test.each([
  ["another port, nginx on DEST", "http://mirror.example.org", "::"],
  ["TLS", "https://mirror.example.org:7381", "::"],
  ["a path, which this daemon has not", "http://mirror.example.org:7381/debian", "::"],
  ["another address of this host", "http://192.0.2.1:7381", "127.0.0.1"],
  ["a name, and it listens at one address", "http://mirror.example.org:7381", "127.0.0.1"],
])("a web server may be behind it: %s", (_what, url, host) => {
  expect(customersAt(at(url), { host, port: 7381 })).toEqual({ customerUrl: url, isAskedByContent: false });
});

test("a proxy to the daemon is one if the admin says so", () => {
  const publicUrl = "https://mirror.example.org/debian";
  expect(customersAt({ publicUrl, isProxied: true }, { host: "127.0.0.1", port: 7381 })).toEqual({
    customerUrl: publicUrl,
    isAskedByContent: true,
  });
});

test("without HTTP of its own it is another web server who answers, or nobody", () => {
  const url = "http://mirror.example.org:7381";
  expect(customersAt(at(url), undefined)).toEqual({ customerUrl: url, isAskedByContent: false });
  expect(customersAt(at(undefined), undefined)).toEqual({ customerUrl: undefined, isAskedByContent: false });
});

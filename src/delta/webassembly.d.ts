// What this project uses of the WebAssembly JavaScript interface (W3C, version 2): the types come with the DOM only.
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
    /** @param pages of 64 KiB; buffers taken before are detached */
    grow(pages: number): number;
  }
  interface Global<Value> {
    value: Value;
  }
}

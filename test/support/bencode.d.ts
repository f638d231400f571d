/** The codec inside bittorrent-protocol, our oracle for what it will make of a payload. It comes without types. */
declare module "bencode" {
  const bencode: {
    encode(value: unknown): Uint8Array;
    decode(bytes: Uint8Array): unknown;
  };
  // eslint-disable-next-line no-restricted-exports -- so the package does
  export default bencode;
}

import { lookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";

/**
 * Name resolution for requests to places that strangers name: only addresses that `isPermitted` are connected to, so a name of the public
 * DNS does not lead into a private network. Literal addresses are never looked up: those the caller judges.
 */
export function permittedLookup(isPermitted: (address: string) => boolean): LookupFunction {
  return (name, options, done) => {
    lookup(name, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, "", 0);
      const permitted = found.filter(({ address }) => isPermitted(address));
      const [first] = permitted;
      if (first === undefined) return done(refusal(name), "", 0);
      if (options.all === true) return done(null, permitted);
      done(null, first.address, isIP(first.address));
    });
  };
}

function refusal(name: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${name}: expected an address that may be connected to, got none`), {
    code: "EACCES",
  });
}

/** What an entry of the light client makes of the place of its program, which each kind of host finds in another way. */
import { createGlue } from './glue/light.js';
import type { LoadOptions } from './guard.js';
import { type LightProgram, connectLight, servePort } from './light-client.js';
import type { ConnectionServer, LightClientClass, SharedLightClientClass } from './light-types.js';
import { shareLight } from './shared-client.js';

/** The functions of an entry. */
export interface LightEntry {
  readonly LightClient: LightClientClass;
  readonly SharedLightClient: SharedLightClientClass;
  readonly serveConnections: (port: MessagePort, options?: LoadOptions) => Promise<ConnectionServer>;
}

/** Makes them. */
export function lightEntry(source: LightProgram['source']): LightEntry {
  const program: LightProgram = { createGlue, source };
  return {
    LightClient: Object.freeze({ connect: (options) => connectLight(program, options) } satisfies LightClientClass),
    SharedLightClient: Object.freeze({ connect: (options) => shareLight(program, options) } satisfies SharedLightClientClass),
    serveConnections: (port, options = {}) => servePort(program, port, options),
  };
}

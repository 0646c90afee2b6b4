// @ts-check
/**
 * Import this before `@livekit/rtc-node`: it keeps the library from handing its debug log to JavaScript.
 *
 * rtc-node always asks its native part for the log, one event a line and tens of thousands a second when several rooms
 * connect. The events queue before all others, so calls seem to hang for as long as the queue lasts, with any server.
 */
import { createRequire } from 'node:module';

const bindings = createRequire(import.meta.url)('@livekit/rtc-ffi-bindings');
const initialize = bindings.livekitInitialize;
/** @param {unknown} onEvent @param {boolean} _wantsLog @param {string} version */
bindings.livekitInitialize = (onEvent, _wantsLog, version) => initialize(onEvent, false, version);

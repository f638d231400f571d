/** Of a running daemon, in the state directory. By itself, so that who asks need not load what answers. */
export const MIRROR_CONTROL_SOCKET = "control.sock";

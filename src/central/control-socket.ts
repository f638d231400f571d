/** Of a running `prsync serve`, in the state directory. By itself, so that who asks need not load what answers. */
export const CONTROL_SOCKET = "control.sock";

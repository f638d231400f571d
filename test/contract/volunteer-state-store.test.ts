import { LiveVolunteers } from "../../src/tracker/live-volunteers.ts";
import { describeVolunteerStateStore } from "./volunteer-state-store.ts";

describeVolunteerStateStore("in memory", (clock, intervalMs) => new LiveVolunteers(clock, intervalMs));

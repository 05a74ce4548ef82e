import type { components } from "./schema";

type Schemas = components["schemas"];

export type Caller = Schemas["Caller"];
export type Compatibility = Schemas["Compatibility"];
export type Compression = Schemas["Compression"];
export type DashboardToken = Schemas["DashboardToken"];
export type Device = Schemas["Device"];
export type DevicePipeline = Schemas["DevicePipeline"];
export type DeviceUpdate = Schemas["DeviceUpdate"];
export type DeviceDetail = Schemas["DeviceDetail"];
export type EnrolmentToken = Schemas["EnrolmentToken"];
export type EventRow = Schemas["EventRow"];
export type LearnedOn = Schemas["LearnedOn"];
export type Model = Schemas["Model"];
export type ModelVersion = Schemas["ModelVersion"];
export type NewCommand = Schemas["NewCommand"];
export type NewRollout = Schemas["NewRollout"];
export type Organisation = Schemas["Organisation"];
export type Pipeline = Schemas["Pipeline"];
export type ResultRow = Schemas["ResultRow"];
export type Rollout = Schemas["Rollout"];
export type Selection = Schemas["Selection"];
export type Site = Schemas["Site"];
export type Variant = Schemas["Variant"];

/** One page of a list; `next_cursor` is null on the last. */
export interface Page<Item> {
  items: Item[];
  next_cursor?: string | null;
}

import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { answer, api } from "./client";

/** What the device list is asked for; it is the page's address. */
export interface DeviceQuery {
  site?: string;
  status?: string;
  q?: string;
  sort?: string;
  cursor?: string;
  limit?: number;
}

export const devicesKey = ["devices"] as const;

export function useDevices(query: DeviceQuery) {
  return useQuery({
    queryKey: [...devicesKey, query],
    queryFn: () => answer(api.GET("/api/v1/devices", { params: { query } })),
    placeholderData: keepPreviousData,
    refetchInterval: 5_000,
  });
}

export function useDevice(device: string) {
  return useQuery({
    queryKey: ["device", device],
    queryFn: () => answer(api.GET("/api/v1/devices/{device}", { params: { path: { device } } })),
    refetchInterval: 3_000,
  });
}

const none: ReadonlyMap<string, string> = new Map();

/** The devices' names by id, for places that know only ids; very large fleets show those. */
export function useDeviceNames(): ReadonlyMap<string, string> {
  const names = useQuery({
    queryKey: ["device-names"],
    queryFn: async () => {
      const params = { query: { limit: 500 } };
      const { items } = await answer(api.GET("/api/v1/devices", { params }));
      return new Map(items.map(({ id, name }) => [id, name]));
    },
    refetchInterval: 30_000,
  });
  return names.data ?? none;
}

/** The newest results of a device. */
export function useDeviceResults(device: string) {
  return useQuery({
    queryKey: ["results", device],
    queryFn: () => answer(api.GET("/api/v1/results", { params: { query: { device, limit: 20 } } })),
    refetchInterval: 5_000,
  });
}

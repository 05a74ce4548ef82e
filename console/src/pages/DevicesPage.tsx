import { Select, Group, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { devicesKey, useDevices } from "../api/devices";
import { useOrganisation } from "../api/organisation";
import { useSites } from "../api/sites";
import { statusFilter } from "../mqtt/topic";
import { useFeed } from "../mqtt/useFeed";
import { Answer } from "../parts/Answer";
import { Icon } from "../parts/Icon";
import { Page } from "../parts/Page";
import { Pager } from "../parts/Pager";
import { Panel } from "../parts/Panel";
import { useAddress } from "../parts/useAddress";
import { counted, integer } from "../text/format";
import { DeviceTable } from "./DeviceTable";

const names = ["q", "site", "status", "sort", "cursor"] as const;
const statuses = ["online", "stopped", "lost", "unknown", "never"];

function useLivePresence(): void {
  const client = useQueryClient();
  const org = useOrganisation().data?.org;
  // The message says that something changed; the API, which also knows the gateways, says what.
  const refresh = useDebouncedCallback(
    () => void client.invalidateQueries({ queryKey: devicesKey }),
    400,
  );
  useFeed(org ? [statusFilter(org)] : [], refresh);
}

function Totals() {
  const counts = useOrganisation().data?.counts;
  if (!counts) return null;
  return (
    <>
      {integer(counts.online)} of {counted(counts.devices, "device")} online,{" "}
      {counted(counts.results, "result")} stored
    </>
  );
}

/** Every device with what it runs; the address holds filter, order and page. */
export function DevicesPage() {
  const [query, change] = useAddress(names);
  const [search, setSearch] = useState(query.q ?? "");
  const devices = useDevices(query);
  const sites = useSites();
  useLivePresence();
  const searchLater = useDebouncedCallback(
    (q: string) => change({ q, cursor: undefined }, true),
    300,
  );

  return (
    <Page title="Devices" about={<Totals />}>
      <Group gap="sm">
        <TextInput
          aria-label="Search by name or id"
          placeholder="Search by name or id"
          leftSection={<Icon name="search" size={16} />}
          w={260}
          value={search}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            searchLater(event.currentTarget.value);
          }}
        />
        <Select
          aria-label="Site"
          placeholder="Every site"
          clearable
          data={(sites.data ?? []).map(({ id, name }) => ({ value: id, label: name }))}
          value={query.site ?? null}
          onChange={(site) => change({ site: site ?? undefined, cursor: undefined })}
        />
        <Select
          aria-label="Status"
          placeholder="Every status"
          clearable
          data={statuses}
          value={query.status ?? null}
          onChange={(status) => change({ status: status ?? undefined, cursor: undefined })}
        />
      </Group>
      <Answer query={devices} waiting="Fetching the devices">
        {({ items, next_cursor }) => (
          <>
            <Panel flush>
              <DeviceTable
                devices={items}
                filtered={Boolean(query.q || query.site || query.status)}
                sort={query.sort}
                changeSort={(sort) => change({ sort, cursor: undefined })}
              />
            </Panel>
            <Pager cursor={query.cursor} next={next_cursor} go={(cursor) => change({ cursor })} />
          </>
        )}
      </Answer>
    </Page>
  );
}

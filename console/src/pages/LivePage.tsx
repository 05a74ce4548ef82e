import { Alert, Anchor, Button, Group, Table, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { useDeviceNames } from "../api/devices";
import { useOrganisation } from "../api/organisation";
import { liveFilter } from "../mqtt/topic";
import { useLinkState } from "../mqtt/useFeed";
import { Empty } from "../parts/Empty";
import { Icon } from "../parts/Icon";
import { LinkMark } from "../parts/LinkMark";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { useAddress } from "../parts/useAddress";
import { dateTime, percent, timeOfDay } from "../text/format";
import classes from "./LivePage.module.css";
import { useLiveRows, type Row } from "./live/useLiveRows";

const names = ["q"] as const;

type Names = ReadonlyMap<string, string>;

function mentions(row: Row, names: Names, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  const { site, device, pipeline, label, model } = row;
  const name = names.get(device) ?? "";
  return [site, device, name, pipeline, label, model].some((word) =>
    word.toLowerCase().includes(wanted),
  );
}

function Results({ rows, names }: { rows: Row[]; names: Names }) {
  return (
    <Table stickyHeader aria-label="Live results">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Time</Table.Th>
          <Table.Th>Device</Table.Th>
          <Table.Th>Pipeline</Table.Th>
          <Table.Th>Label</Table.Th>
          <Table.Th ta="right">Score</Table.Th>
          <Table.Th>Model</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((row) => (
          <Table.Tr key={row.arrival}>
            <Table.Td title={dateTime(row.at)}>{timeOfDay(row.at)}</Table.Td>
            <Table.Td>
              <Anchor component={Link} to={`/devices/${row.device}`} size="sm">
                {names.get(row.device) ?? row.device}
              </Anchor>
              <Text size="xs" c="dimmed">
                {row.site}
              </Text>
            </Table.Td>
            <Table.Td>{row.pipeline}</Table.Td>
            <Table.Td fw={550}>{row.label || "—"}</Table.Td>
            <Table.Td ta="right">{row.score === null ? "—" : percent(row.score)}</Table.Td>
            <Table.Td>
              {row.model} v{row.version}
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** Results of the whole fleet as they come. */
export function LivePage() {
  const org = useOrganisation().data?.org;
  const link = useLinkState();
  const [{ q = "" }, change] = useAddress(names);
  const [paused, setPaused] = useState(false);
  const deviceNames = useDeviceNames();
  const rows = useLiveRows(org ? [liveFilter(org)] : [], paused);
  const shown = q ? rows.filter((row) => mentions(row, deviceNames, q)) : rows;

  return (
    <Page
      title="Live results"
      mark={<LinkMark />}
      about="The newest of each pipeline, at most two a second; every result is stored"
      actions={
        <Button variant="default" onClick={() => setPaused(!paused)} aria-pressed={paused}>
          {paused ? "Continue" : "Hold still"}
        </Button>
      }
    >
      {link.kind === "waiting" && (
        <Alert color="yellow" title="The live link is down" role="status">
          {link.reason}. It is opened again by itself.
        </Alert>
      )}
      <Group>
        <TextInput
          aria-label="Show only results with"
          placeholder="Device, pipeline, label or model"
          leftSection={<Icon name="search" size={16} />}
          w={280}
          value={q}
          onChange={(event) => change({ q: event.currentTarget.value }, true)}
        />
      </Group>
      <Panel flush>
        {shown.length === 0 ? (
          <Empty text={q ? "No result with this yet." : "Waiting for the next result…"}>
            {!q && "Results appear while a device runs a pipeline."}
          </Empty>
        ) : (
          <div className={classes.rows} tabIndex={0} role="region" aria-label="Results">
            <Results rows={shown} names={deviceNames} />
          </div>
        )}
      </Panel>
    </Page>
  );
}

import { Button, Group, NumberInput, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { useState, type FormEvent } from "react";

import type { NewToken } from "../../api/enrolment";
import { useSites } from "../../api/sites";
import { Panel } from "../../parts/Panel";
import { ProblemAlert } from "../../parts/ProblemAlert";

const lifetimes = [
  { value: "3600", label: "1 hour" },
  { value: "86400", label: "1 day" },
  { value: "604800", label: "7 days" },
];

interface Props {
  create: (token: NewToken) => void;
  pending: boolean;
  error: unknown;
}

/** What the token is for. */
export function NewTokenForm({ create, pending, error }: Props) {
  const sites = useSites();
  const [kind, setKind] = useState<NewToken["kind"]>("device");
  const [site, setSite] = useState<string | null>(null);
  const [uses, setUses] = useState(1);
  const [lifetime, setLifetime] = useState("3600");
  // A gateway can't serve the site that the cloud serves itself.
  const offered = (sites.data ?? []).filter(({ id }) => kind === "device" || id !== "direct");
  const chosen = offered.some(({ id }) => id === site) ? site : (offered[0]?.id ?? null);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (chosen) create({ kind, site: chosen, uses, ttl_s: Number(lifetime) });
  };

  return (
    <Panel title="New token">
      <form onSubmit={submit}>
        <Stack>
          <SegmentedControl
            aria-label="For"
            value={kind}
            onChange={(value) => setKind(value === "gateway" ? "gateway" : "device")}
            data={[
              { value: "device", label: "A device" },
              { value: "gateway", label: "A gateway" },
            ]}
            w="fit-content"
          />
          <Group align="flex-end">
            <Select
              label="Site"
              data={offered.map(({ id, name }) => ({ value: id, label: name }))}
              value={chosen}
              onChange={setSite}
              allowDeselect={false}
            />
            <Select
              label="Valid for"
              data={lifetimes}
              value={lifetime}
              onChange={(value) => setLifetime(value ?? "3600")}
              allowDeselect={false}
            />
            {kind === "device" && (
              <NumberInput
                label="Devices that may use it"
                min={1}
                max={1000}
                clampBehavior="strict"
                allowDecimal={false}
                value={uses}
                onChange={(value) => setUses(Number(value) || 1)}
              />
            )}
            <Button type="submit" loading={pending} disabled={!chosen}>
              Make token
            </Button>
          </Group>
          {sites.isSuccess && !chosen && (
            <Text size="sm" c="dimmed">
              There is no site for a gateway yet: add one on the sites page.
            </Text>
          )}
          <ProblemAlert error={error ?? sites.error} />
        </Stack>
      </form>
    </Panel>
  );
}

import { Checkbox, Radio, ScrollArea, Stack, Text } from "@mantine/core";

import { useSites } from "../../api/sites";
import type { Compatibility, Pipeline } from "../../api/types";
import { counted } from "../../text/format";
import { choiceOf, devicesOf, valueOf, type Choice } from "./choice";

interface Props {
  model: string;
  pipelines: Pipeline[];
  /** The devices that run the model: those that can be ticked. */
  candidates: Compatibility[];
  choice: Choice;
  choose: (choice: Choice) => void;
}

function Ticks({
  candidates,
  ticked,
  tick,
}: {
  candidates: Compatibility[];
  ticked: string[];
  tick: (devices: string[]) => void;
}) {
  return (
    <ScrollArea.Autosize mah={260} ml={32} type="auto">
      <Checkbox.Group value={ticked} onChange={tick} aria-label="Devices">
        <Stack gap={6}>
          {candidates.map(({ device, name, variant, obstacles }) => (
            <Checkbox
              key={device}
              value={device}
              size="sm"
              label={name}
              description={variant ? `will run ${variant}` : obstacles.join("; ")}
            />
          ))}
        </Stack>
      </Checkbox.Group>
    </ScrollArea.Autosize>
  );
}

/** For whom: everything that runs the model, one pipeline, one site, or ticked devices. */
export function ChooseDevices({ model, pipelines, candidates, choice, choose }: Props) {
  const sites = useSites().data ?? [];
  return (
    <Radio.Group
      value={valueOf(choice)}
      onChange={(value) => choose(choiceOf(value))}
      aria-label="For which devices"
    >
      <Stack gap="sm">
        <Radio
          value="model"
          label={`All devices that run ${model}`}
          description={counted(devicesOf(pipelines), "device")}
        />
        {pipelines.length > 1 &&
          pipelines.map((pipeline) => (
            <Radio
              key={pipeline.id}
              value={`pipeline/${pipeline.id}`}
              label={`Pipeline ${pipeline.name || pipeline.id}`}
              description={counted(pipeline.devices.length, "device")}
            />
          ))}
        {sites.map((site) => (
          <Radio
            key={site.id}
            value={`site/${site.id}`}
            label={`Site ${site.name}`}
            description={counted(site.devices, "device")}
          />
        ))}
        <Radio value="devices" label="Ticked devices" />
        {choice.kind === "devices" && candidates.length > 0 && (
          <Ticks
            candidates={candidates}
            ticked={choice.devices}
            tick={(devices) => choose({ kind: "devices", devices })}
          />
        )}
        {choice.kind === "devices" && candidates.length === 0 && (
          <Text size="sm" c="dimmed" ml={32}>
            No device runs the model.
          </Text>
        )}
      </Stack>
    </Radio.Group>
  );
}

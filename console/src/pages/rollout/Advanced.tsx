import { Button, Collapse, NumberInput, Stack, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";

import { Icon } from "../../parts/Icon";
import type { Settings } from "./settings";
import { parseWaves } from "./waves";

type Numbers = Exclude<keyof Settings, "name" | "waves">;

const numbers: {
  key: Numbers;
  label: string;
  description: string;
  suffix: string;
  min?: number;
  max: number;
}[] = [
  {
    key: "maxFailuresPercent",
    label: "Failures tolerated",
    description: "More of a wave's devices failing stops the rollout and reverts it",
    suffix: " %",
    max: 100,
  },
  {
    key: "soakS",
    label: "Soak between waves",
    description: "How long a finished wave is watched before the next begins",
    suffix: " s",
    max: 604_800,
  },
  {
    key: "trialS",
    label: "Trial on the device",
    description: "How long the new model is watched on a device before it counts",
    suffix: " s",
    max: 86_400,
  },
  {
    key: "deadlineS",
    label: "Deadline a device",
    description: "A device that takes longer counts as failed",
    suffix: " s",
    max: 604_800,
  },
  {
    key: "parallel",
    label: "Switching at once",
    description: "Devices of a site that change to the new model at the same time",
    suffix: "",
    min: 1,
    max: 500,
  },
];

interface Props {
  settings: Settings;
  change: (settings: Settings) => void;
}

/** Waves and thresholds, folded away: the defaults are good. */
export function Advanced({ settings, change }: Props) {
  const [open, { toggle }] = useDisclosure(false);
  const waves = parseWaves(settings.waves);
  return (
    <div>
      <Button
        variant="subtle"
        size="compact-sm"
        onClick={toggle}
        aria-expanded={open}
        leftSection={<Icon name={open ? "up" : "down"} size={16} />}
      >
        Advanced
      </Button>
      <Collapse expanded={open}>
        <Stack gap="sm" pt="sm" maw={380}>
          <TextInput
            label="Name"
            description="For people; made up if empty"
            value={settings.name}
            onChange={(event) => change({ ...settings, name: event.currentTarget.value })}
          />
          <TextInput
            label="Waves"
            description="Share of the devices reached, in percent"
            value={settings.waves}
            error={typeof waves === "string" ? waves : null}
            onChange={(event) => change({ ...settings, waves: event.currentTarget.value })}
          />
          {numbers.map(({ key, label, description, suffix, min = 0, max }) => (
            <NumberInput
              key={key}
              label={label}
              description={description}
              suffix={suffix}
              min={min}
              max={max}
              clampBehavior="strict"
              allowDecimal={false}
              value={settings[key]}
              onChange={(value) => change({ ...settings, [key]: Number(value) || min })}
            />
          ))}
        </Stack>
      </Collapse>
    </div>
  );
}

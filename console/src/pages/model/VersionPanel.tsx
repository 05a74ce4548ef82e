import { Button, Group, Text } from "@mantine/core";
import { Link } from "react-router";

import { useMay } from "../../api/session";
import type { ModelVersion } from "../../api/types";
import { Ago } from "../../parts/Ago";
import { Panel } from "../../parts/Panel";
import { counted } from "../../text/format";
import { VariantBars } from "./VariantBars";
import { VariantTable } from "./VariantTable";
import classes from "./VersionPanel.module.css";

/** One version: its variants side by side, and the way to roll it out. */
export function VersionPanel({ version }: { version: ModelVersion }) {
  const mayRollOut = useMay("operate");
  const { model, version: number } = version;
  return (
    <Panel
      flush
      title={`Version ${number}`}
      aside={
        <Group gap="md">
          <Text size="sm" c="dimmed">
            {counted(version.labels, "label")} · pushed <Ago ms={version.published_ms} />
          </Text>
          {mayRollOut && (
            <Button
              component={Link}
              to={`/models/${model}/versions/${number}/roll-out`}
              size="xs"
              aria-label={`Roll out v${number} of ${model}`}
            >
              Roll out v{number}
            </Button>
          )}
        </Group>
      }
    >
      <VariantTable variants={version.variants} />
      {version.variants.length > 1 && (
        <div className={classes.charts}>
          <VariantBars variants={version.variants} />
        </div>
      )}
      <div className={classes.digest}>
        <Text size="xs" c="dimmed">
          Manifest <code>{version.manifest_sha256}</code>
        </Text>
      </div>
    </Panel>
  );
}

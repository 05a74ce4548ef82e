import { Anchor, Stack, Text } from "@mantine/core";
import { Link, useParams } from "react-router";

import { readReport, useCompression } from "../api/compressions";
import type { Compression } from "../api/types";
import { Ago } from "../parts/Ago";
import { Answer } from "../parts/Answer";
import { Bars } from "../parts/Bars";
import { Mark } from "../parts/Mark";
import { Page } from "../parts/Page";
import { Panel } from "../parts/Panel";
import { counted } from "../text/format";
import { compressionTone } from "../text/status";
import classes from "./compression/Compression.module.css";
import { BitWidths } from "./compression/BitWidths";
import { Pareto } from "./compression/Pareto";
import { Spreads } from "./compression/Spreads";

/** Layers that are shown, the most sensitive first. */
const shown = 16;

function State({ order }: { order: Compression }) {
  return (
    <Panel title="Order">
      <Stack gap="xs">
        <Mark tone={compressionTone(order.state)} text={order.state} />
        {order.reason && <Text size="sm">{order.reason}</Text>}
        {order.version && (
          <Anchor component={Link} to={`/models/${order.model}`} size="sm">
            {order.model} version {order.version}
          </Anchor>
        )}
        <Text size="sm" c="dimmed">
          Ordered <Ago ms={order.created_ms} /> by {order.created_by},{" "}
          {counted(order.photos, "picture")}, at most {order.max_loss} points to be lost,{" "}
          {counted(order.attempts, "attempt")}
        </Text>
        <Text size="xs" c="dimmed">
          Source <code>{order.source}</code>
        </Text>
      </Stack>
    </Panel>
  );
}

function Report({ order }: { order: Compression }) {
  const { points, sensitivity, bits, weights, text } = readReport(order.report);
  const layers = sensitivity.slice(0, shown);
  return (
    <>
      {points.length > 0 && (
        <Panel title="Agreement against bytes">
          <Pareto candidates={points} />
        </Panel>
      )}
      {bits.length > 0 && (
        <Panel title="Fewer bits">
          <BitWidths widths={bits} />
        </Panel>
      )}
      {layers.length > 0 && (
        <Panel title="The most sensitive layers">
          <Bars
            caption="Signal to noise if only this layer is quantized; the shortest hurts most"
            bars={layers.map(({ layer, decibels }) => ({
              name: layer,
              value: Math.max(decibels, 0),
              text: `${decibels.toFixed(1)} dB`,
            }))}
          />
        </Panel>
      )}
      {weights.length > 0 && (
        <Panel title="The largest weights">
          <Spreads weights={weights} />
        </Panel>
      )}
      {text && (
        <Panel title="Before and after">
          <pre className={classes.text}>{text}</pre>
        </Panel>
      )}
    </>
  );
}

/** One order: how it stands, and what the compression cost. */
export function CompressionPage() {
  const id = useParams()["compression"] ?? "";
  return (
    <Page title="Compression" parent={{ to: "/compressions", text: "Compressions" }}>
      <Answer query={useCompression(id)} waiting="Fetching the compression">
        {(order) => (
          <Stack gap="lg">
            <State order={order} />
            <Report order={order} />
          </Stack>
        )}
      </Answer>
    </Page>
  );
}

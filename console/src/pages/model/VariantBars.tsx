import { readMeasured } from "../../api/manifest";
import type { Variant } from "../../api/types";
import { Bars, type Bar } from "../../parts/Bars";
import { bytes, milliseconds, percent } from "../../text/format";

function sizes(variants: Variant[]): Bar[] {
  return variants.map(({ name, bytes: value }) => ({ name, value, text: bytes(value) }));
}

function agreements(variants: Variant[]): Bar[] {
  return variants.flatMap(({ name, measured }) => {
    const { agreement } = readMeasured(measured);
    if (!agreement) return [];
    const value = agreement.same / agreement.of;
    return [{ name, value, text: percent(value), range: agreement }];
  });
}

function timesByChip(variants: Variant[]): [chip: string, bars: Bar[]][] {
  const chips = new Map<string, Bar[]>();
  for (const { name, measured } of variants) {
    for (const { chip, cpuMs } of readMeasured(measured).latency) {
      const bar = { name, value: cpuMs, text: milliseconds(cpuMs) };
      chips.set(chip, [...(chips.get(chip) ?? []), bar]);
    }
  }
  return [...chips];
}

/** The variants side by side: size, CPU time on each chip, agreement with the source. */
export function VariantBars({ variants }: { variants: Variant[] }) {
  const agreement = agreements(variants);
  return (
    <>
      <Bars caption="Size" bars={sizes(variants)} />
      {timesByChip(variants).map(([chip, bars]) => (
        <Bars key={chip} caption={`CPU time of one frame on ${chip}`} bars={bars} />
      ))}
      {agreement.length > 0 && (
        <Bars caption="Agreement with the source, 95 % interval" bars={agreement} full={1} />
      )}
    </>
  );
}

import { useQuery } from "@tanstack/react-query";

import { answer, api } from "./client";
import { fieldsOf, listOf, numberOf, textOf } from "./read";

/** One model that could be chosen: what it costs and how often it agrees with the float one. */
export interface Candidate {
  variant: string;
  bytes: number;
  cpuMs: number | null;
  agreement: number;
  low: number;
  high: number;
}

/** A layer with the noise of the outputs if only it is quantized, in decibels. */
export interface Layer {
  layer: string;
  decibels: number;
}

/** How often the model agrees with the float one if its weights have so many bits. */
export interface Width {
  bits: number;
  agreement: number;
  low: number;
  high: number;
  refused: boolean;
}

/** How the numbers of a weight are spread: counts in equal parts from low to high. */
export interface Spread {
  tensor: string;
  low: number;
  high: number;
  counts: number[];
}

/** What a compression cost. */
export interface Report {
  points: Candidate[];
  sensitivity: Layer[];
  bits: Width[];
  weights: Spread[];
  text: string;
}

function readCandidate(value: unknown): Candidate | null {
  const fields = fieldsOf(value);
  const bytes = numberOf(fields?.["bytes"]);
  const agreement = numberOf(fields?.["agreement"]);
  if (!fields || bytes === null || agreement === null) return null;
  return {
    variant: textOf(fields["variant"]),
    bytes,
    cpuMs: numberOf(fields["cpu_ms"]),
    agreement,
    low: numberOf(fields["low"]) ?? agreement,
    high: numberOf(fields["high"]) ?? agreement,
  };
}

function readLayer(value: unknown): Layer | null {
  const fields = fieldsOf(value);
  const decibels = numberOf(fields?.["decibels"]);
  return fields && decibels !== null ? { layer: textOf(fields["layer"]), decibels } : null;
}

function readWidth(value: unknown): Width | null {
  const fields = fieldsOf(value);
  const bits = numberOf(fields?.["bits"]);
  const agreement = numberOf(fields?.["agreement"]);
  if (!fields || bits === null || agreement === null) return null;
  return {
    bits,
    agreement,
    low: numberOf(fields["low"]) ?? agreement,
    high: numberOf(fields["high"]) ?? agreement,
    refused: fields["refused"] === true,
  };
}

function readSpread(value: unknown): Spread | null {
  const fields = fieldsOf(value);
  const low = numberOf(fields?.["low"]);
  const high = numberOf(fields?.["high"]);
  if (!fields || low === null || high === null) return null;
  const counts = listOf(fields["counts"], numberOf);
  return counts.length > 0 ? { tensor: textOf(fields["tensor"]), low, high, counts } : null;
}

export function readReport(value: unknown): Report {
  const fields = fieldsOf(value) ?? {};
  return {
    points: listOf(fields["points"], readCandidate),
    sensitivity: listOf(fields["sensitivity"], readLayer),
    bits: listOf(fields["bits"], readWidth),
    weights: listOf(fields["weights"], readSpread),
    text: textOf(fields["text"]),
  };
}

/** Orders to compress, newest first; only those of `model` if one is named. */
export function useCompressions(query: { model?: string; cursor?: string }) {
  return useQuery({
    queryKey: ["compressions", query],
    queryFn: () => answer(api.GET("/api/v1/compressions", { params: { query } })),
    refetchInterval: 5_000,
  });
}

export function useCompression(id: string) {
  return useQuery({
    queryKey: ["compression", id],
    queryFn: () => answer(api.GET("/api/v1/compressions/{id}", { params: { path: { id } } })),
    refetchInterval: 5_000,
  });
}

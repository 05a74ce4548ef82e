/** Waves as a person writes them (`10, 50, 100`), or what is wrong with them. */
export function parseWaves(text: string): number[] | string {
  const parts = text.split(/[\s,;%]+/).filter((part) => part !== "");
  const waves = parts.map(Number);
  if (waves.length === 0 || waves.length > 20) return "Give 1 to 20 percentages.";
  if (!waves.every((wave) => Number.isInteger(wave) && wave >= 1 && wave <= 100)) {
    return "Each wave is a whole percentage from 1 to 100.";
  }
  if (waves.some((wave, place) => place > 0 && wave <= (waves[place - 1] ?? 0))) {
    return "Each wave must reach more devices than the one before.";
  }
  return waves.at(-1) === 100 ? waves : "The last wave must be 100.";
}

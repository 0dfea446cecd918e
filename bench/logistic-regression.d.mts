interface Labelled {
  readonly shape: readonly number[];
  readonly values: Float32Array;
  readonly labels: Int32Array;
}

interface Head {
  readonly weights: Float64Array;
  readonly objective: number;
}

export function fitHead(
  features: Labelled,
  classes: number,
  options: { readonly weightDecay: number; readonly iterations?: number; readonly tolerance?: number },
): Head;
export function headAccuracy(head: Head, features: Labelled, classes: number): number;

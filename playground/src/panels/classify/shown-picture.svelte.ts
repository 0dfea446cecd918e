import { type Sample, samples } from "../../app/samples.js";

/** The picture that is classified: a sample, a file, or what the camera sees. */
export class ShownPicture {
  url = $state(samples[0]!.url);
  alt = $state(samples[0]!.alt);
  /** Name of the sample; undefined for a picture of the visitor's. */
  sample = $state<string | undefined>(samples[0]!.name);
  /** The file's bytes; undefined until they are here. */
  blob = $state.raw<Blob>();
  /** The browser cannot show it. */
  broken = $state(false);
  /** Why a sample's bytes do not come, in a sentence. */
  error = $state<string>();
  #own: string | undefined;

  constructor(sample: string | undefined) {
    void this.choose(samples.find(({ name }) => name === sample) ?? samples[0]!);
  }

  async choose({ name, alt, url }: Sample): Promise<void> {
    this.#show(url, alt, name);
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`HTTP status ${response.status}`);
      const blob = await response.blob();
      if (this.sample === name) this.blob = blob;
    } catch (reason) {
      if (this.sample !== name) return;
      this.error = `The sample did not come: ${reason instanceof Error ? reason.message : String(reason)}. Choose another picture.`;
    }
  }

  take(file: Blob, alt: string): void {
    const url = URL.createObjectURL(file);
    this.#show(url, alt, undefined);
    this.#own = url;
    this.blob = file;
  }

  #show(url: string, alt: string, sample: string | undefined): void {
    if (this.#own) URL.revokeObjectURL(this.#own);
    this.#own = undefined;
    this.url = url;
    this.alt = alt;
    this.sample = sample;
    this.blob = undefined;
    this.broken = false;
    this.error = undefined;
  }
}

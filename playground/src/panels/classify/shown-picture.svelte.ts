import { type Sample, samples } from "../../app/samples.js";

/** The picture that is classified: a sample, a file, or what the camera sees. */
export class ShownPicture {
  url = $state(samples[0]!.url);
  alt = $state(samples[0]!.alt);
  /** Name of the sample; undefined for a picture of the visitor's. */
  sample = $state<string | undefined>(samples[0]!.name);
  /** The file's bytes; undefined until they are here. */
  blob = $state.raw<Blob>();
  #own: string | undefined;

  constructor(sample: string | undefined) {
    void this.choose(samples.find(({ name }) => name === sample) ?? samples[0]!);
  }

  async choose({ name, alt, url }: Sample): Promise<void> {
    this.#show(url, alt, name);
    const blob = await (await fetch(url)).blob();
    if (this.sample === name) this.blob = blob;
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
  }
}

import dog from "../../../assets/samples/dog.jpg?url";
import duck from "../../../assets/samples/duck.jpg?url";
import horses from "../../../assets/samples/horses.jpg?url";
import kitten from "../../../assets/samples/kitten.jpg?url";
import moose from "../../../assets/samples/moose.jpg?url";

/** A photograph to begin with; authors and licences stand in assets/samples/README.md. */
export interface Sample {
  readonly name: string;
  readonly alt: string;
  readonly url: string;
}

export const samples: readonly Sample[] = [
  { name: "kitten", alt: "a kitten with a ball of wool", url: kitten },
  { name: "dog", alt: "a German shepherd", url: dog },
  { name: "horses", alt: "horses on a hill", url: horses },
  { name: "moose", alt: "a moose in the heath", url: moose },
  { name: "duck", alt: "a white duck", url: duck },
];

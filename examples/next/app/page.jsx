"use client";
import { useState } from "react";
import { createEngine } from "repvgg/browser";

let engine; // made when the first picture is chosen, once

export default function Page() {
  const [answers, setAnswers] = useState({});
  const classify = async ({ target }) => {
    const [picture] = target.files;
    try {
      engine ??= createEngine().then((ready) => ready.load("/model.safetensors"));
      const here = (await (await engine).classify(picture)).predictions;
      const there = await (await fetch("/classify", { method: "POST", body: picture })).json();
      setAnswers({ page: here[0].name, server: there[0].name });
    } catch (error) {
      setAnswers({ page: error.message });
    }
  };
  return (
    <label>
      Picture <input id="picture" type="file" accept="image/*" onChange={classify} />
      <output id="page">{answers.page}</output> <output id="server">{answers.server}</output>
    </label>
  );
}

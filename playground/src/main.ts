import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/source-serif-4/wght.css";
import "@fontsource-variable/source-serif-4/wght-italic.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/controls.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { nets } from "./app/nets.svelte.js";
import { route } from "./app/route.svelte.js";

// The worker starts and the net is fetched while the page is still being drawn.
if (route.panel !== "train") nets.follow();
mount(App, { target: document.getElementById("app")! });

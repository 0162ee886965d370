// What was found stands in the page; kit.js copies what there is to type.
import { begin } from "./live.js";
import "./kit.js";

begin();

"""The node: `build` wires the rooms, `pipeline` is the path of a decided block, `lifecycle` starts and stops the process."""

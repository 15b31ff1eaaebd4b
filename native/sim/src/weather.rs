//! The faults of a scenario: partitions, crashes, and the heal that ends them.

use hn_consensus::Effect;
use hn_primitives::Hash32;

use crate::node::Node;
use crate::world::{Event, World};

impl World {
    /// Cut the network anew: groups, one-way cuts, or nothing.
    pub(crate) fn repartition(&mut self) {
        if self.is_healed {
            return;
        }
        let kind = self.random.below(4);
        let sides: Vec<u64> = self.nodes.iter().map(|_| self.random.below(2 + kind / 3)).collect();
        let one_way = self.random.chance(300);
        for (from, row) in self.blocked.iter_mut().enumerate() {
            for (to, blocked) in row.iter_mut().enumerate() {
                *blocked = match kind {
                    0 => false,
                    1 => self.random.chance(300),
                    _ => sides.get(from) != sides.get(to) && !(one_way && sides.get(from) < sides.get(to)),
                };
            }
        }
        self.after(self.scenario.partition_every_ms * 1_000, Event::Repartition);
    }

    pub(crate) fn heal(&mut self) {
        self.is_healed = true;
        self.blocked.iter_mut().flatten().for_each(|blocked| *blocked = false);
        let tip = self.nodes.iter().map(Node::tip).max().unwrap_or(0);
        self.goal = tip + self.scenario.heights_after_heal;
        for index in 0..self.nodes.len() {
            let Some(node) = self.nodes.get_mut(index) else {
                continue;
            };
            node.crash_after = None;
            let life = node.incarnation;
            let open: Vec<Hash32> = node.unanswered.keys().copied().collect();
            for block_hash in open {
                let delay = self.random.between(1_000, 200_000);
                self.after(
                    delay,
                    Event::Validity {
                        node: index,
                        life,
                        block_hash,
                    },
                );
            }
        }
    }

    /// Pick a node to crash within its next effects.
    pub(crate) fn plan_crash(&mut self) {
        if self.is_healed {
            return;
        }
        let index = self.random.below(self.nodes.len() as u64) as usize;
        let after = self.random.below(14);
        if let Some(node) = self.nodes.get_mut(index)
            && node.engine.is_some()
            && node.crash_after.is_none()
        {
            node.crash_after = Some(after);
        }
        let next = self.random.between(1, 2 * self.scenario.crash_every_ms) * 1_000;
        self.after(next, Event::PlanCrash);
    }

    /// Power off at an effect boundary. A clean kill loses nothing, and its replay must reproduce the state.
    pub(crate) fn crash(&mut self, index: usize) {
        let is_clean = self.random.chance(300);
        let is_last = index + 1 == self.scenario.validators;
        let is_wiping = self.scenario.is_wiping && is_last;
        let Some(node) = self.nodes.get_mut(index) else { return };
        let Some(engine) = node.engine.take() else { return };
        if is_wiping && !node.is_wiped {
            node.is_wiped = true;
            node.disk.wipe_log();
        } else if is_clean {
            for effect in node.queue.drain(..) {
                if let Effect::Log(record) = effect {
                    node.disk.append(record);
                }
            }
            node.disk.sync();
            let is_replayed = node.disk.tip() < engine.height();
            node.digest = is_replayed.then(|| engine.state_digest());
        } else {
            node.disk.crash(&mut self.random);
        }
        node.queue.clear();
        node.inbox.clear();
        node.unanswered.clear();
        node.asked.clear();
        node.peer_heights.clear();
        node.crash_after = None;
        node.is_drain_set = false;
        node.is_syncing = false;
        node.incarnation += 1;
        let down = self.random.between(5_000, 900_000);
        self.after(down, Event::Restart { node: index });
        self.note(index, 1, &[]);
    }
}

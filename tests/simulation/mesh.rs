//! How far gossip reaches: a mesh of at most twelve links per peer laid over the connections, as GossipSub keeps one.

use std::collections::VecDeque;

const MAX_DEGREE: usize = 12;
/// A peer that the mesh misses is reached by lazy gossip, which takes as long as this many hops.
const LAZY_HOPS: u32 = 15;

/// For every peer, in which part of the mesh it is and how many hops from that part's middle.
#[derive(Default)]
pub(crate) struct Mesh {
    pub(crate) part: Vec<usize>,
    pub(crate) hops: Vec<u32>,
}

pub(crate) const NOWHERE: usize = usize::MAX;

impl Mesh {
    /// `links` of every peer; those of the dead are empty.
    pub(crate) fn over(links: &[Vec<usize>]) -> Self {
        let mesh = choose(links);
        let mut built = Self { part: vec![NOWHERE; links.len()], hops: vec![0; links.len()] };
        let mut parts = 0;
        for peer in 0..links.len() {
            if built.part[peer] == NOWHERE {
                built.flood(peer, parts, &mesh, links);
                parts += 1;
            }
        }
        built
    }

    fn flood(&mut self, from: usize, part: usize, mesh: &[Vec<usize>], links: &[Vec<usize>]) {
        let (mut eager, mut reached) = (VecDeque::from([from]), Vec::new());
        self.part[from] = part;
        let mut lazily = 0;
        loop {
            while let Some(peer) = eager.pop_front() {
                reached.push(peer);
                self.spread(peer, &mesh[peer], 1, &mut eager);
            }
            while lazily < reached.len() && eager.is_empty() {
                self.spread(reached[lazily], &links[reached[lazily]], LAZY_HOPS, &mut eager);
                lazily += 1;
            }
            if eager.is_empty() {
                return;
            }
        }
    }

    fn spread(&mut self, peer: usize, to: &[usize], hops: u32, queue: &mut VecDeque<usize>) {
        for next in to {
            if self.part[*next] == NOWHERE {
                (self.part[*next], self.hops[*next]) = (self.part[peer], self.hops[peer] + hops);
                queue.push_back(*next);
            }
        }
    }
}

fn choose(links: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut mesh: Vec<Vec<usize>> = links.iter().map(|_| Vec::with_capacity(MAX_DEGREE)).collect();
    for (peer, others) in links.iter().enumerate() {
        for other in others.iter().filter(|other| **other > peer) {
            if mesh[peer].len() < MAX_DEGREE && mesh[*other].len() < MAX_DEGREE {
                mesh[peer].push(*other);
                mesh[*other].push(peer);
            }
        }
    }
    mesh
}

//! Cycles of a directed graph: its strongly connected components, by Tarjan, without recursion.

/// The components that hold a cycle: several nodes, or one with an edge to itself.
pub(super) fn cycles(next: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        next,
        order: vec![None; next.len()],
        low: vec![0; next.len()],
        open: vec![false; next.len()],
        stack: Vec::new(),
        count: 0,
        found: Vec::new(),
    };
    for root in 0..next.len() {
        if search.order.get(root).is_some_and(Option::is_none) {
            search.visit(root);
        }
    }
    let has_cycle = |component: &Vec<usize>| match component.as_slice() {
        [only] => next.get(*only).is_some_and(|next| next.contains(only)),
        _ => true,
    };
    search.found.into_iter().filter(has_cycle).collect()
}

struct Search<'a> {
    next: &'a [Vec<usize>],
    order: Vec<Option<usize>>,
    low: Vec<usize>,
    open: Vec<bool>,
    stack: Vec<usize>,
    count: usize,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, root: usize) {
        // (node, how many of its edges were followed)
        let mut path = vec![(root, 0)];
        self.enter(root);
        while let Some((node, followed)) = path.last_mut() {
            let at = *node;
            match self.next.get(at).and_then(|next| next.get(*followed)).copied() {
                Some(to) => {
                    *followed += 1;
                    match self.order.get(to).copied().flatten() {
                        None => {
                            self.enter(to);
                            path.push((to, 0));
                        }
                        Some(order) if self.open.get(to).copied().unwrap_or(false) => {
                            self.lower(at, order);
                        }
                        Some(_) => {}
                    }
                }
                None => {
                    path.pop();
                    let low = self.low.get(at).copied().unwrap_or(0);
                    if let Some((parent, _)) = path.last() {
                        self.lower(*parent, low);
                    }
                    if self.order.get(at).copied().flatten() == Some(low) {
                        self.close(at);
                    }
                }
            }
        }
    }

    fn enter(&mut self, node: usize) {
        if let (Some(order), Some(low), Some(open)) =
            (self.order.get_mut(node), self.low.get_mut(node), self.open.get_mut(node))
        {
            *order = Some(self.count);
            *low = self.count;
            *open = true;
        }
        self.count += 1;
        self.stack.push(node);
    }

    fn lower(&mut self, node: usize, to: usize) {
        if let Some(low) = self.low.get_mut(node) {
            *low = to.min(*low);
        }
    }

    /// Takes a component off the stack.
    fn close(&mut self, first: usize) {
        let mut component = Vec::new();
        while let Some(node) = self.stack.pop() {
            if let Some(open) = self.open.get_mut(node) {
                *open = false;
            }
            component.push(node);
            if node == first {
                break;
            }
        }
        self.found.push(component);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_are_found_and_nothing_else() {
        // 0 -> 1 -> 2 -> 1, 3 -> 3, 4 -> 5, 6 <-> 7 -> 0
        let next = [vec![1], vec![2], vec![1], vec![3], vec![5], vec![], vec![7], vec![6, 0]];
        let mut found = cycles(&next);
        found.iter_mut().for_each(|component| component.sort_unstable());
        found.sort();
        assert_eq!(found, [vec![1, 2], vec![3], vec![6, 7]]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let next: Vec<Vec<usize>> = (0..200_000).map(|at| vec![(at + 1) % 200_000]).collect();
        assert_eq!(cycles(&next).len(), 1);
    }
}

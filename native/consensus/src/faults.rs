//! Planted bugs that the simulator must catch. Without the feature `mutations` every question answers no, at no cost.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Which planted bugs are active.
        #[cfg(feature = "mutations")]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Faults {
            $($(#[$doc])* pub $name: bool,)*
        }

        /// No bug can be planted in this build.
        #[cfg(not(feature = "mutations"))]
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Faults;

        impl Faults {
            /// No bug.
            #[cfg(feature = "mutations")]
            pub(crate) fn none() -> Self {
                Self::default()
            }

            /// No bug.
            #[cfg(not(feature = "mutations"))]
            pub(crate) const fn none() -> Self {
                Self
            }

            $(
                #[cfg(feature = "mutations")]
                pub(crate) const fn $name(self) -> bool {
                    self.$name
                }

                #[cfg(not(feature = "mutations"))]
                pub(crate) const fn $name(self) -> bool {
                    false
                }
            )*
        }
    };
}

faults! {
    /// Received certificates are not logged, as with a log of what the core asks to log in its older releases.
    certificates_unlogged,
    /// Stalled messages are not sent again, except the node's own last votes.
    no_regossip,
    /// `Barrier` is left out: messages leave before their records are durable.
    barrier_ignored,
    /// More than a third of the power counts as a quorum.
    quorum_minus,
    /// The sign guard forgets, and signatures are not logged.
    guard_off,
    /// The sign floor is neither reserved nor respected.
    floor_ignored,
}

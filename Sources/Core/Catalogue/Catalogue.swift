package import Journal
import Synchronization

/// What there is: items and collections, found by place and time (STAC 1.0 and 1.1).
///
/// An item's document is stored as the bytes that were handed in and served by copying them; beside it stand the
/// columns that are searched.
package final class Catalogue: Sendable {
    package let journal: Journal
    let knownDirectory = Mutex(KnownDirectory())
    /// What is known of the properties of collections, by row id: what is in here is in the table `item_properties`.
    let knownProperties = Mutex<[Int64: [String: PropertyType]]>([:])
    let productProperties = RecentReads<[String: [String]]>()

    package init(journal: Journal) { self.journal = journal }
}

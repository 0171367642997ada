package import Blobs
import Database
package import Journal
package import NIOPosix
package import Vault

/// The bytes that an institute keeps, and their names: collections, objects and their versions.
///
/// Every version is immutable. Its bytes are durable before the row that names them commits, so a crash leaves at most
/// a blob without a row, which the Janitor removes, and never a row without bytes.
package final class Objects: Sendable {
    package let journal: Journal
    package let blobs: any BlobStore
    let keyring: Keyring
    let pool: NIOThreadPool
    let collectionCache = RecentReads<Collection>()

    package init(journal: Journal, blobs: any BlobStore, master: MasterKey, pool: NIOThreadPool) {
        self.journal = journal
        self.blobs = blobs
        self.pool = pool
        keyring = Keyring(journal: journal, master: master)
    }
}

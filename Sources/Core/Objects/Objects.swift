package import Blobs
import BucketConfiguration
import Database
package import Journal
package import NIOPosix
import Policy
package import Vault

/// The bytes that an institute keeps, and their names: collections, objects and their versions.
///
/// Every version is immutable. Its bytes are durable before the row that names them commits, so a crash leaves at most
/// a blob without a row, which the Janitor removes, and never a row without bytes.
package final class Objects: Sendable {
    package let journal: Journal
    let stores: BlobStores
    /// Of `STANDARD`.
    package var blobs: any BlobStore { stores.standard }
    let keyring: Keyring
    /// The node's named keys.
    package let kms: KMSKeys
    let pool: NIOThreadPool
    let pairedMD5: PairedMD5
    private let reserve: DiskReserve
    let suspects = Suspects()
    let screening: Screening?
    let collectionCache = RecentReads<Collection>()
    // Of Settings.swift; by the collection's id.
    let settingsCache = RecentReads<String?>()
    let accessCache = RecentReads<ResourceAccess>()
    let activeCache = RecentReads<ActiveSettings>()
    let lifecycleDaySeconds: Int64
    let accessLog = AccessLogBuffer()

    /// - Parameters:
    ///   - pool: for digests and ciphers of bulk data.
    ///   - reserve: of the disks that this node's data are on.
    ///   - screening: the virus scanner; nil where there is none.
    ///   - lifecycleDaySeconds: how long a day of lifecycle rules is.
    package init(
        journal: Journal, stores: BlobStores, master: MasterKey, pool: NIOThreadPool,
        reserve: DiskReserve = DiskReserve([]), screening: Screening? = nil,
        lifecycleDaySeconds: Int64 = LifecycleConfiguration.daySecondsMax
    ) {
        self.journal = journal
        self.stores = stores
        self.pool = pool
        pairedMD5 = PairedMD5(pool: pool)
        self.reserve = reserve
        self.lifecycleDaySeconds = lifecycleDaySeconds
        self.screening = screening
        keyring = Keyring(journal: journal, master: master)
        kms = KMSKeys(journal: journal, keyring: keyring)
    }

    /// Refuses new bytes while there is still room for what deletes.
    ///
    /// - Throws: ``ObjectsError`` `.storageFull`.
    func checkRoom() throws {
        do {
            try reserve.check()
        } catch {
            throw ObjectsError(.storageFull, "the store is full: nothing was stored")
        }
    }
}

package import NIOCore
package import Wire

// The interface between Martlet and whatever keeps its bytes. A store knows ids and bytes; it never sees a plaintext, a
// name, a space or a version.
//
// To add a driver:
// 1. Add a folder with a type that conforms to `BlobStore`, beside `Disk`. One file for the store, one for its writer,
//    one for its reader.
// 2. DO make a blob visible whole or not at all: write under another name, make the bytes durable, then publish the
//    name, then make the name durable, and only then return from `finish()`. DON'T rely on a later call for any of it.
// 3. DO clean up after a writer that is dropped, and after the writers of a process that died, at the next opening.
// 4. DO answer with the codes of `BlobError` as they are explained there; the layers above choose the protocol's answer
//    from the code alone. A full store is `.full`, never `.io`.
// 5. DO bound everything: a read is at most `blobReadMax`, a page of `list` at most `blobListMax`.
// 6. DON'T block the thread of an async call: hand blocking calls to a thread pool.
// 7. DON'T put the id's owner, size or time into its name; DON'T retry without a bound.
// 8. Run `BlobStoreTests` against it: add it to the list of stores there.

/// The most bytes one `read` may ask for: 4 MiB.
package let blobReadMax = 4 << 20
/// The longest page of `list`; a larger limit counts as this.
package let blobListMax = 10_000

/// A flat store of immutable blobs.
package protocol BlobStore: Sendable {
    /// Begins a blob. Nothing is visible under the id until its writer's `finish()`.
    ///
    /// - Throws: `.exists`, `.full`, `.io`, `.unavailable`.
    func create(_ id: BlobID) async throws -> any BlobWriter

    /// Opens a blob for reading. A reader of the disk store may go on after a deletion; of other stores it may fail.
    ///
    /// - Throws: `.notFound`, `.io`, `.unavailable`.
    func open(_ id: BlobID) async throws -> any BlobReader

    /// Deletes a blob; there need not be one. After a crash it may be back, for the Janitor to delete again.
    ///
    /// - Throws: `.io`, `.unavailable`.
    func delete(_ id: BlobID) async throws

    /// The finished blobs after `after` in the order of their ids, at most `limit`. An empty page is the end.
    ///
    /// Blobs that appear or go during the call may or may not be in it.
    ///
    /// - Throws: `.io`, `.unavailable`.
    func list(after: BlobID?, limit: Int) async throws -> [BlobInfo]

    /// Ends the store: later calls throw `.unavailable`, blobs that are being written are given up. Idempotent.
    func close() async
}

/// What a listing tells of a blob.
package struct BlobInfo: Hashable, Sendable {
    package let id: BlobID
    /// Stored bytes.
    package let size: Int64
    /// When it was last written to, by the store's clock; S3 says it to the second.
    package let modified: Timestamp

    package init(id: BlobID, size: Int64, modified: Timestamp) {
        self.id = id
        self.size = size
        self.modified = modified
    }
}

/// A blob that is being written. One call at a time.
///
/// After an error, `finish()` or `abort()`, only `abort()` may follow and does nothing. A writer that is dropped before
/// that aborts.
package protocol BlobWriter: Sendable {
    /// Appends. Gather small pieces into about 1 MiB first: each call is a trip to a thread or over the network.
    ///
    /// - Throws: `.full`, `.io`, `.invalid` after the end, `.unavailable`. The blob is given up then.
    func write(_ bytes: ByteBuffer) async throws

    /// Publishes the blob. On return its bytes and its name survive a loss of power.
    ///
    /// - Throws: `.exists`, `.full`, `.io`, `.invalid` after the end, `.unavailable`. The blob is given up then.
    func finish() async throws

    /// Gives the blob up and removes what was written.
    func abort() async
}

/// A finished blob that is open for reading. Several reads may run at a time.
package protocol BlobReader: Sendable {
    /// Stored bytes.
    var size: Int64 { get }

    /// The bytes of `range`, all of them.
    ///
    /// - Throws: `.invalid` for a range outside the blob or above `blobReadMax`, `.damaged` if the store has fewer
    ///   bytes than `size`, `.io`, `.unavailable` after `close()`.
    func read(_ range: Range<Int64>) async throws -> ByteBuffer

    /// Lets the blob go. Reads that are under way complete. Idempotent, and dropping the reader does the same.
    func close() async
}

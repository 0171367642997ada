import Blobs
import Database
import Glibc
import Identity
import Journal
import Ledger
import NIOCore
import NIOPosix
import Objects
import Vault

/// Checks everything that a node has stored, while it does not run.
package struct Verification: Sendable {
    /// How much there is of what was looked at.
    package struct Summary: Sendable {
        /// Things that are not as they should be.
        package var findings = 0
        package var versions = 0
        package var bytes: Int64 = 0
        /// Versions whose keys do not open, so that nothing is known of them.
        package var sealed = 0
        package var quarantined = 0
        /// Uploads under way.
        package var uploads = 0
        /// Blobs that wait to be deleted.
        package var garbage = 0
        /// Blobs that nothing names, which the Janitor will delete.
        package var orphans = 0
        package var orphanBytes: Int64 = 0
        package var keys = 0
        package var events = 0
        package var traces = 0

        fileprivate init(findings: Int = 0) { self.findings = findings }
    }

    /// What is checked.
    package enum Part: Sendable {
        case all
        /// The log of traces alone.
        case log
    }

    private let configuration: Configuration

    package init(_ configuration: Configuration) { self.configuration = configuration }

    /// Opens the stores as `Node.start` does, and changes nothing but the database's schema, where that is older.
    ///
    /// - Parameters:
    ///   - part: what is checked.
    ///   - found: told of each thing that is not as it should be: what was looked at, which row, object or blob, and
    ///     what is wrong with it.
    ///   - total: told how many plain bytes there are to be read, or how many traces where only the log is checked.
    ///   - progress: told of plain bytes as they are read and of which object, or of traces.
    /// - Throws: where a store cannot be opened at all; `BlobError` `.unavailable` while a node uses it.
    package func run(
        part: Part = .all,
        found: @escaping @Sendable (_ check: String, _ subject: String, _ problem: String) -> Void,
        total: @escaping @Sendable (Int64) -> Void, progress: @escaping @Sendable (Int64, String) -> Void
    ) async throws -> Summary {
        let path = configuration.data + "/metadata.sqlite"
        guard configuration.metadata != "sqlite" || access(path, F_OK) == 0 else {
            throw ConfigurationError("there is no node in \(configuration.data): \(path) is missing")
        }
        let source = try MasterKeySetting.open(
            configuration.masterKey, creates: false, credentials: configuration.credentials)
        let stores = try await Node.openStores(configuration)
        let database: Database
        do {
            database = try await Database.open(
                try DatabaseLocation(configuration.metadata == "sqlite" ? path : configuration.metadata),
                migrations: Schema.migrations)
        } catch let error as DatabaseError where error.code == .corrupt {
            await stores.close()
            found("database", "file", "it cannot be opened: \(error)")
            return Summary(findings: 1)
        } catch {
            await stores.close()
            throw error
        }
        let pool = NIOThreadPool(numberOfThreads: max(2, System.coreCount))
        pool.start()
        do {
            let journal = Journal(database: database, node: NodeName.random())
            let roots = try await RootKeys.open(journal: journal, source: source, columns: Schema.sealedColumns)
            let objects = Objects(journal: journal, stores: stores, master: roots.master, pool: pool)
            let summary = try await check(
                part, database, objects, roots, found: { found($0.check, $0.subject, $0.problem) }, total: total,
                progress: progress)
            await database.close()
            await stores.close()
            try await pool.shutdownGracefully()
            return summary
        } catch {
            await database.close()
            await stores.close()
            try? await pool.shutdownGracefully()
            guard let error = error as? DatabaseError, error.code == .corrupt else { throw error }
            found("database", "file", "its rows cannot be read: \(error)")
            return Summary(findings: 1)
        }
    }

    private func check(
        _ part: Part, _ database: Database, _ objects: Objects, _ roots: RootKeys, found: @escaping FindingHandler,
        total: (Int64) -> Void, progress: @escaping @Sendable (Int64, String) -> Void
    ) async throws -> Summary {
        let journal = objects.journal
        let count = Counter()
        let counting: FindingHandler = { finding in
            await count.add()
            await found(finding)
        }
        /// A check that cannot go on, because rows cannot be read, is a finding; the next ones may tell more.
        func attempt<T>(_ check: String, _ body: () async throws -> T) async throws -> T? {
            do {
                return try await body()
            } catch let error as DatabaseError where error.code == .corrupt || error.code == .io {
                await counting(Finding(check, "database", "rows cannot be read: \(error)"))
                return nil
            }
        }
        var summary = Summary()
        guard part == .all else {
            summary.traces =
                try await attempt("log") {
                    var last = 0
                    return try await Ledger.verify(
                        journal: journal, identity: Identity(journal: journal, master: roots.master),
                        progress: { done, size in
                            total(Int64(size))
                            progress(Int64(done - last), "")
                            last = done
                        }, counting)
                } ?? 0
            summary.findings = await count.value
            return summary
        }
        _ = try await attempt("database") {
            for problem in try await database.verify() { await counting(Finding("database", "file", problem)) }
        }
        summary.events = try await attempt("journal") { try await journal.verify(counting) } ?? 0
        summary.keys = try await attempt("keys") { try await roots.verify(counting) } ?? 0
        _ = try await attempt("objects") { total(try await objects.storedBytes()) }
        let counts =
            try await attempt("objects") { try await objects.verify(found: counting, progress: progress) } ?? .init()
        summary.versions = counts.versions
        summary.bytes = counts.bytes
        summary.sealed = counts.sealed
        summary.quarantined = counts.quarantined
        summary.uploads = counts.uploads
        summary.garbage = counts.garbage
        summary.orphans = counts.orphans
        summary.orphanBytes = counts.orphanBytes
        summary.keys += counts.keys
        summary.traces =
            try await attempt("log") {
                try await Ledger.verify(
                    journal: journal, identity: Identity(journal: journal, master: roots.master), counting)
            } ?? 0
        summary.findings = await count.value
        return summary
    }

    private actor Counter {
        var value = 0

        func add() { value += 1 }
    }
}

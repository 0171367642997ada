import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Wire

/// Blobs as objects of an S3 bucket (Ceph RGW, MinIO, AWS, another Martlet), for any number of nodes at a time.
///
/// A blob's key is `PREFIX/ab/abcd…`: its id after the first two digits of it. Bucket versioning has to be off, or a
/// deleted blob keeps its room. That an id is written once is enforced by `If-None-Match`; at a store that ignores it,
/// the later of two writers wins, but ids are random and never meant to meet.
///
/// Close it when done: it holds connections.
package final class S3Blobs: BlobStore {
    private let client: S3Client

    private init(_ client: S3Client) { self.client = client }

    /// Opens the store after a look at its bucket. Uploads that were given up more than a week ago are removed: younger
    /// ones may be another node's.
    ///
    /// - Parameter callSecondsMax: the longest that one call waits for the store, repetitions included, on top of a
    ///   second for each MiB it carries.
    /// - Throws: `.notFound` if the bucket is missing, `.unavailable` if it is not reached or access is denied,
    ///   `.invalid` for an authority file that cannot be read.
    package static func open(_ location: S3Location, callSecondsMax: Int = 60) async throws -> S3Blobs {
        let client = S3Client(
            location, try await configuration(location), callTime: .seconds(min(max(callSecondsMax, 1), 3600)))
        do throws(BlobError) {
            _ = try await client.send(S3Call(method: .HEAD), "cannot open the bucket of \(location)")
        } catch {
            await client.close()
            guard error.code == .notFound else { throw error }
            throw BlobError(
                .notFound, "there is no bucket \(location.bucket) at \(location.hostAndPort); create it first")
        }
        // A node without the permission to list uploads can still store.
        try? await client.removeOldUploads(now: .now)
        return S3Blobs(client)
    }

    static func configuration(_ location: S3Location) async throws -> HTTPClient.Configuration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let file = location.authorityFile {
            do {
                let authorities = try await NIOThreadPool.singleton.runIfActive {
                    try NIOSSLCertificate.fromPEMFile(file)
                }
                guard !authorities.isEmpty else { throw BlobError(.invalid, "it holds no certificate") }
                tls.trustRoots = .certificates(authorities)
            } catch {
                throw BlobError(.invalid, "the authority file \(file) cannot be read as PEM", cause: error)
            }
        }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(5), read: .seconds(30), write: .seconds(30)), decompression: .disabled)
        configuration.httpVersion = .http1Only
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        // Calls are repeated here, with a bound.
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    package func create(_ id: BlobID) async throws -> any BlobWriter {
        do throws(BlobError) {
            _ = try await client.send(S3Call(method: .HEAD, key: client.key(id)), "cannot begin blob \(id)")
        } catch {
            guard error.code == .notFound else { throw error }
            return S3Writer(id, client)
        }
        throw BlobError(.exists, "there is a blob \(id) already")
    }

    package func open(_ id: BlobID) async throws -> any BlobReader {
        let answer = try await client.send(S3Call(method: .HEAD, key: client.key(id)), "cannot open blob \(id)")
        guard let size = answer.headers.first(name: "content-length").flatMap({ Int64($0) }), size >= 0 else {
            throw BlobError(.io, "cannot open blob \(id): the store does not tell its size")
        }
        return S3Reader(id, client, size: size)
    }

    package func delete(_ id: BlobID) async throws {
        do throws(BlobError) {
            _ = try await client.send(S3Call(method: .DELETE, key: client.key(id)), "cannot delete blob \(id)")
        } catch {
            // Some stores answer so where S3 answers success.
            guard error.code == .notFound else { throw error }
        }
    }

    package func list(after: BlobID?, limit: Int) async throws -> [BlobInfo] {
        try await client.list(after: after, limit: min(max(limit, 1), blobListMax))
    }

    package func close() async { await client.close() }
}

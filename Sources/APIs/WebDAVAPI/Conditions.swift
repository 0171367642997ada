import HTTPSupport
import NIOHTTP1
import Objects
import Policy
import WebDAVFormat

/// The `If` header of a request, with the states of the resources that it speaks of.
struct Conditions: Sendable {
    var header: IfHeader?
    /// By the URIs in the header; nil is the request's own.
    var states: [String?: IfHeader.State] = [:]
    /// The URIs that are the request's own.
    var own: Set<String?> = [nil]

    /// Whether they hold with that entity tag of the request's own resource.
    func holds(etag: String?) -> Bool {
        guard let header else { return true }
        return header.holds { uri in
            guard var state = states[uri] else { return nil }
            if own.contains(uri) { state.etag = etag }
            return state
        }
    }
}

extension WebDAVService {
    /// Looks at what an `If` header speaks of.
    ///
    /// - Throws: ``WebDAVError`` 412 where it does not hold.
    func conditions(_ header: IfHeader, _ call: Call) async throws -> Conditions {
        var conditions = Conditions(header: header)
        conditions.states[nil] = try await state(of: call.address)
        for uri in header.resources {
            guard let path = LocalURI.path(uri, host: call.request.header("host")),
                let address = try? Address(path, below: mount)
            else { continue }
            if (address.collection, address.path) == (call.address.collection, call.address.path) {
                conditions.own.insert(uri)
            }
            conditions.states[uri] = try await state(of: address)
        }
        guard conditions.holds(etag: conditions.states[nil]?.etag) else {
            throw WebDAVError(.preconditionFailed, "the conditions of the If header do not hold")
        }
        return conditions
    }

    private func state(of address: Address) async throws -> IfHeader.State {
        guard !address.isRoot else { return IfHeader.State(tokens: [], etag: nil) }
        do {
            let locks = try await objects.locks(collection: address.collection, path: address.path)
            let entry = try await entry(at: address)
            return IfHeader.State(
                tokens: Set(locks.map(\.token)), etag: entry.flatMap { $0.isFolder ? nil : $0.etag })
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            return IfHeader.State(tokens: [], etag: nil)
        }
    }

    func entry(at address: Address) async throws -> Entry? {
        try await objects.entry(
            collection: address.collection, path: address.path, prefersFolder: address.endsInSlash, asOf: address.asOf)
    }

    /// What a request demands of the file that it changes, looked at in the transaction that changes it.
    func writeCondition(_ call: Call) -> WriteCondition {
        let preconditions = Preconditions(call.request.headers)
        let conditions = call.conditions
        let (caller, address) = (call.caller, call.address)
        let createsOnly = caller.createsOnly(address.collection, address.path)
        guard createsOnly || !preconditions.isEmpty || conditions.header != nil else { return { _ in } }
        return { [gate] current in
            guard !createsOnly || current == nil else {
                throw gate.replacing(
                    caller.principal, on: ResourceName.object(address.collection, address.path), caller.context)
            }
            let outcome = preconditions.evaluate(etag: current?.etag, modified: current?.modified, isRead: false)
            if case .failed(let header) = outcome {
                throw ObjectsError(
                    .preconditionFailed,
                    current.map { "the file's ETag is \"\($0.etag)\", which does not meet \(header)" }
                        ?? "there is no file, which does not meet \(header)")
            }
            guard conditions.holds(etag: current?.etag) else {
                throw ObjectsError(.preconditionFailed, "the conditions of the If header do not hold")
            }
        }
    }
}

import HTTPSupport
import IAMPolicy
import Identity
import Logging
import NIOCore
import NIOHTTP1
import Objects
import Policy
import WebDAVFormat
import Wire

extension WebDAVService {
    func propfind(_ call: Call) async throws -> Response {
        let depth = try Depth(header: call.request.header("depth"), default: .infinity)
        let request = PropertyRequest(
            try Propfind(parsing: try await call.request.body.collect(upTo: Self.bodyBytesMax)))
        guard !call.address.isRoot else { return try await propfindRoot(call, depth, request) }
        try await requireLook(call)
        let address = call.address
        let collection = try await objects.collection(address.collection)
        guard let entry = try await entry(at: address) else {
            throw WebDAVError(.notFound, "there is nothing at '\(address.path.prefix(200))'")
        }
        let locks =
            request.needsLocks && address.asOf == nil
            ? try await objects.locks(collection: address.collection, inOrBelow: address.path) : []
        var first = Resource(entry, in: collection, snapshot: address.snapshot)
        if request.needsProperties {
            first.properties = try await objects.properties(collection: address.collection, of: entry)
        }
        first.locks = locks.filter { $0.covers(entry.path) }
        let quota = request.needsQuota ? try await objects.quota(of: collection) : nil
        first.quota = quota
        try await complete(&first, request, call)
        guard entry.isFolder, depth != .zero else {
            var body = Multistatus(mount: mount)
            body.add(first, request)
            return Self.answer(.init(bytes: body.finish()))
        }
        if !address.endsInSlash {
            // By the path alone it could have been a file.
            try await requireList(call, Address(collection: address.collection, path: entry.path, isFolder: true))
        }
        let fetch: @Sendable (String) -> Task<EntryPage, any Error> = { after in
            Task {
                try await objects.entries(
                    collection: collection.name, folder: entry.path, after: after, isDeep: depth == .infinity,
                    withProperties: request.needsProperties, asOf: address.asOf)
            }
        }
        return stream { [first, locks] body, send in
            body.add(first, request)
            var page: EntryPage? = try await fetch("").value
            while let current = page {
                // The next page is read while this one is written.
                let ahead = current.next.map(fetch)
                do {
                    let tags = try await tags(of: current.entries, in: collection.name, request)
                    for entry in current.entries {
                        var resource = Resource(entry, in: collection, snapshot: address.snapshot)
                        resource.quota = quota
                        if isForSync {
                            resource.folderTag = tags[entry.path]
                            if request.needsPermissions {
                                resource.permissions = try await permissions(of: resource, call)
                            }
                        }
                        if !current.properties.isEmpty, let object = entry.object {
                            resource.properties = current.properties[object] ?? []
                        }
                        if !locks.isEmpty { resource.locks = locks.filter { $0.covers(entry.path) } }
                        body.add(resource, request)
                    }
                    if ahead != nil { try await send(&body) }
                } catch {
                    ahead?.cancel()
                    throw error
                }
                page = try await ahead?.value
            }
        }
    }

    /// The collections that the caller may list.
    private func propfindRoot(_ call: Call, _ depth: Depth, _ request: PropertyRequest) async throws -> Response {
        guard depth != .infinity else {
            throw WebDAVError(.forbidden, "the list of all collections has Depth 0 or 1", .propfindFiniteDepth)
        }
        if call.caller.principal.isAnonymous { throw Self.unauthenticated }
        let all = try await gate.decide(
            call.caller.principal, "s3:ListAllMyBuckets", on: ResourceName.collection("*"), call.caller.context)
        var root = Resource.root
        if isForSync { root.folderTag = try await rootTag(call, all.isAllowed) }
        if request.needsQuota, all.isAllowed { root.quota = try await objects.quotaOfSpace() }
        return stream { [root] body, send in
            body.add(root, request)
            guard depth == .one else { return }
            var after = ""
            while true {
                let page = try await objects.collections(after: after)
                for collection in page {
                    let (resource, context) = listing(
                        call, Address(collection: collection.name, path: "", isFolder: true))
                    let decision =
                        all.isAllowed
                        ? all : try await gate.decide(call.caller.principal, "s3:ListBucket", on: resource, context)
                    guard decision.isAllowed else { continue }
                    var folder = Resource(Entry(folder: ""), in: collection)
                    if request.needsQuota { folder.quota = try await objects.quota(of: collection) }
                    try await complete(&folder, request, call)
                    body.add(folder, request)
                }
                guard page.count == 1000, let last = page.last else { return }
                try await send(&body)
                after = last.name
            }
        }
    }

    private static func answer(_ body: ByteBuffer) -> Response {
        Response(
            .multiStatus, headers: ["Content-Type": "application/xml; charset=utf-8"], body: .buffer(body))
    }

    /// A multistatus that is sent page by page.
    private func stream(
        _ produce:
            @escaping @Sendable (
                inout Multistatus, _ send: @Sendable (inout Multistatus) async throws -> Void
            ) async throws -> Void
    ) -> Response {
        Response(
            .multiStatus, headers: ["Content-Type": "application/xml; charset=utf-8"],
            body: .stream(length: nil) { [mount, logger] writer in
                var body = Multistatus(mount: mount)
                do {
                    try await produce(&body) { try await writer.write(ByteBuffer(bytes: $0.take())) }
                } catch let error as ObjectsError {
                    logger.error("a listing broke off: \(error)")
                    throw error
                }
                try await writer.write(ByteBuffer(bytes: body.finish()))
            })
    }

    /// PROPPATCH (RFC 4918 §9.2): all changes or none.
    func proppatch(_ call: Call) async throws -> Response {
        let address = call.address
        guard !address.isRoot else {
            throw WebDAVError(.forbidden, "the list of collections has no properties of yours")
        }
        try await require(call, "s3:PutObject", address.path)
        let patch = try Proppatch(parsing: try await call.request.body.collect(upTo: Self.bodyBytesMax))
        var body = Multistatus(mount: mount)
        let names = patch.changes.map(\.name)
        let refused = names.filter { LiveProperty($0)?.isProtected == true }
        guard refused.isEmpty else {
            body.add(address, [(.forbidden, refused), (.failedDependency, names.filter { !refused.contains($0) })])
            return Self.answer(.init(bytes: body.finish()))
        }
        try await objects.changeProperties(
            collection: address.collection, path: address.path, prefersFolder: address.endsInSlash,
            patch.changes.map { change in
                switch change {
                case .set(let name, let element):
                    .set(ObjectProperty(namespace: name.namespace, name: name.name, element: element))
                case .remove(let name): .remove(namespace: name.namespace, name: name.name)
                }
            }, by: call.actor, holding: call.tokens)
        body.add(address, [(.ok, names)])
        return Self.answer(.init(bytes: body.finish()))
    }
}

import HTTPSupport
import Identity
import NIOHTTP1
import Objects
import Policy
import WebDAVFormat
import Wire

extension WebDAVService {
    func makeFolder(_ call: Call) async throws -> Response {
        // A body would say what kind of folder to make (RFC 4918 §9.3), of which there is one.
        guard try await call.request.body.next() == nil else {
            throw WebDAVError(.unsupportedMediaType, "a MKCOL has no body")
        }
        let address = call.address
        guard !address.isRoot else { throw WebDAVError(.methodNotAllowed, "there is a folder already") }
        do {
            if address.isCollection {
                try await require(call, "s3:CreateBucket", onCollection: address.collection)
                try await objects.createCollection(address.collection, owner: call.actor)
            } else {
                try await require(call, "s3:PutObject", address.path + "/")
                _ = try await objects.createFolder(
                    collection: address.collection, path: address.path, by: call.actor, holding: call.tokens)
            }
        } catch let error as ObjectsError where error.code == .alreadyExists || error.code == .collectionExists {
            throw WebDAVError(.methodNotAllowed, error.message)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            throw WebDAVError(.conflict, error.message)
        }
        return Response(.created)
    }

    func delete(_ call: Call) async throws -> Response {
        let address = call.address
        guard !address.isRoot else { throw WebDAVError(.forbidden, "the list of collections is not deleted") }
        guard try Depth(header: call.request.header("depth"), default: .infinity) == .infinity else {
            throw WebDAVError(.badRequest, "a DELETE is for all that is in a folder: its Depth is infinity")
        }
        if address.isCollection {
            // Only an empty one: a slip of the hand on a mounted drive must not take a whole collection.
            try await require(call, "s3:DeleteBucket", onCollection: address.collection)
            try await objects.deleteCollection(address.collection, by: call.actor)
            return Response(.noContent)
        }
        let tree = Tree(address)
        let condition = writeCondition(call)
        do {
            let permitted = try await deletable(call, tree)
            try await objects.delete(
                tree, permitted: permitted, by: call.actor, holding: call.tokens, condition: condition)
        } catch let error as ObjectsError where error.code == .tooManyObjects {
            try await deleteLarge(call, tree)
        }
        return Response(.noContent)
    }

    private func deletable(_ call: Call, _ tree: Tree) async throws -> Set<String> {
        let keys = try await permitted(call, ["s3:DeleteObject"], tree)
        if keys.isEmpty {
            // Who may not delete here does not learn what there is.
            try await require(call, "s3:DeleteObject", tree.path)
            throw WebDAVError(.notFound, "there is nothing at '\(tree.path.prefix(200))'")
        }
        return keys
    }

    /// Removes a folder of more objects than one transaction changes: page after page, the folder itself at last.
    private func deleteLarge(_ call: Call, _ tree: Tree) async throws {
        while true {
            let page = try await objects.list(collection: tree.collection, prefix: tree.path + "/")
            for entry in page.entries { try await require(call, "s3:DeleteObject", entry.key) }
            let deletions = try await objects.delete(
                collection: tree.collection, page.entries.map { ($0.key, nil) }, by: call.actor, holding: call.tokens)
            if let failure = deletions.compactMap(\.failure).first { throw failure }
            guard page.next != nil else { return }
        }
    }

    /// COPY and MOVE.
    func transfer(_ call: Call, isMove: Bool) async throws -> Response {
        let address = call.address
        guard let header = call.request.header("destination") else {
            throw WebDAVError(.badRequest, "a \(call.request.method) has a Destination")
        }
        guard let path = LocalURI.path(header, host: call.request.header("host")) else {
            throw WebDAVError(.badGateway, "the Destination is on another server")
        }
        let target = try Address(path, below: mount)
        guard !address.path.isEmpty, !target.path.isEmpty else {
            throw WebDAVError(.forbidden, "collections are neither copied nor moved, only what is in them")
        }
        let depth = try Depth(header: call.request.header("depth"), default: .infinity)
        guard depth == .infinity || (depth == .zero && !isMove) else {
            throw WebDAVError(
                .badRequest, isMove ? "the Depth of a MOVE is infinity" : "a COPY has Depth 0 or infinity")
        }
        let overwrites = try Overwrite.value(header: call.request.header("overwrite"))
        let from = Tree(address)
        let to = Tree(target)
        let sources = try await permitted(call, isMove ? ["s3:GetObject", "s3:DeleteObject"] : ["s3:GetObject"], from)
        guard !sources.isEmpty else {
            try await require(call, "s3:GetObject", from.path)
            throw WebDAVError(.notFound, "there is nothing at '\(from.path.prefix(200))'")
        }
        for key in sources {
            try await require(call, "s3:PutObject", to.path + key.dropFirst(from.path.count), in: to.collection)
        }
        let isFile = sources.contains(from.path)
        let replaced = try await objects.keys(of: to)
        for key in replaced where !(isFile && key == to.path) {
            try await require(call, "s3:DeleteObject", key, in: to.collection)
        }
        do {
            let isNew = try await objects.transfer(
                from, to: to, isMove: isMove, isShallow: depth == .zero, overwrites: overwrites,
                permitted: (sources, Set(replaced)), by: call.actor, holding: call.tokens)
            return Response(isNew ? .created : .noContent)
        } catch let error as ObjectsError where error.code == .noSuchCollection {
            throw WebDAVError(.conflict, error.message)
        }
    }
}

extension Tree {
    init(_ address: Address) {
        self.init(collection: address.collection, path: address.path, prefersFolder: address.endsInSlash)
    }
}

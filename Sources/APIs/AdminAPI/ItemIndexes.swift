import Catalogue
import HTTPSupport
import NIOHTTP1
import Policy
import Wire

extension AdminService {
    /// `/collections/{name}/indexes` and `/collections/{name}/indexes/{property}`: indexes over properties of items.
    func collections(_ call: Call) async throws -> Response {
        guard call.path.count >= 2, call.path.count <= 3, call.path[1] == "indexes" else {
            throw Problem.notFound("there is nothing at \(call.request.rawPath)")
        }
        let name = call.path[0]
        let resource = ResourceName.stacCollection(name)
        guard call.path.count == 3 else {
            guard call.method == .GET else { throw Problem.methodNotAllowed("GET") }
            try await require(call, "stac:GetCollection", on: resource)
            let indexes = try await catalogue.indexes(of: name)
            return Response.json { json in
                json.key("indexes")
                json.array { json in for index in indexes { json.object { write(index, &$0) } } }
            }
        }
        let property = call.path[2]
        switch call.method {
        case .PUT:
            try await require(call, "stac:PutIndex", on: resource)
            try await catalogue.makeIndex(of: name, property: property, by: call.actor)
            return Response.json { write(ItemIndex(property: property, isReady: true), &$0) }
        case .DELETE:
            try await require(call, "stac:DeleteIndex", on: resource)
            try await catalogue.removeIndex(of: name, property: property, by: call.actor)
            return Response(.noContent)
        default: throw Problem.methodNotAllowed("PUT, DELETE")
        }
    }

    private func write(_ index: ItemIndex, _ json: inout JSONWriter) {
        json.member("property", index.property)
        json.member("isReady", index.isReady)
    }
}

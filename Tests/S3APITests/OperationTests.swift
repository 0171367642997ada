import HTTPSupport
import NIOHTTP1
import Testing

@testable import S3API

@Suite struct OperationTests {
    private func operation(_ method: HTTPMethod, _ target: String, _ headers: HTTPHeaders = [:]) throws -> Operation {
        try Operation(
            Request(
                method: method, target: target, headers: headers, body: RequestBody(),
                connection: ConnectionInfo(remoteAddress: "", localAddress: "", isSecure: false), id: "1"))
    }

    private func refusal(_ method: HTTPMethod, _ target: String) -> String? {
        do {
            _ = try operation(method, target)
            return nil
        } catch {
            return (error as? S3Error)?.code.name
        }
    }

    @Test("addresses and parameters become operations")
    func known() throws {
        let address = ObjectAddress(bucket: "eo", key: "a/b c")
        #expect(try operation(.GET, "/") == .listBuckets(ListBucketsParameters()))
        #expect(try operation(.PUT, "/eo") == .createBucket("eo"))
        #expect(try operation(.PUT, "/eo/") == .createBucket("eo"))
        #expect(try operation(.GET, "/eo?location") == .getBucketLocation("eo"))
        #expect(try operation(.GET, "/eo?policy") == .getConfiguration("eo", .policy))
        #expect(try operation(.PUT, "/eo?publicAccessBlock") == .putConfiguration("eo", .publicAccessBlock))
        #expect(try operation(.DELETE, "/eo/?cors=") == .deleteConfiguration("eo", .cors))
        #expect(try operation(.GET, "/eo?replication") == .getMissingConfiguration("eo", .replication))
        #expect(try operation(.PUT, "/eo?acl") == .putBucketACL("eo"))
        #expect(try operation(.PUT, "/eo/a/b%20c?acl") == .putObjectACL(address))
        #expect(try operation(.OPTIONS, "/eo/a?X-Amz-Signature=0&partNumber=1") == .preflight("eo"))
        #expect(try operation(.POST, "/eo?delete=") == .deleteObjects("eo"))
        #expect(try operation(.GET, "/eo/a/b%20c") == .getObject(address, ReadParameters()))
        #expect(
            try operation(.GET, "/eo/a/b%20c?x-id=GetObject&X-Amz-Signature=0") == .getObject(address, ReadParameters())
        )
        #expect(try operation(.PUT, "/eo/a/b%20c") == .putObject(address))
        #expect(try operation(.PUT, "/eo/a/b%20c", ["x-amz-copy-source": "x/y"]) == .copyObject(address))
        #expect(
            try operation(.PUT, "/eo/a/b%20c?partNumber=3&uploadId=u") == .uploadPart(address, uploadID: "u", number: 3)
        )
        #expect(try operation(.POST, "/eo/a/b%20c?uploads") == .createMultipartUpload(address))
        #expect(try operation(.DELETE, "/eo/a/b%20c?uploadId=u") == .abortMultipartUpload(address, uploadID: "u"))
        guard
            case .listObjectsV2(_, let list) = try operation(
                .GET, "/eo?list-type=2&prefix=a%2F&max-keys=5000&encoding-type=url")
        else {
            Issue.record("not a listing")
            return
        }
        #expect(list.prefix == "a/" && list.limit == 1000 && list.encodesKeys)
    }

    /// Sub-resources of S3 that are not implemented, on every method that a bucket or an object takes.
    @Test(
        "an unknown sub-resource is refused on every method and never falls through",
        arguments: [
            "website", "torrent", "inventory", "analytics", "accelerate", "logging", "metrics", "notification",
            "requestPayment", "publicAccessBlock", "ownershipControls", "intelligent-tiering", "policyStatus",
            "attributes", "legal-hold", "retention", "restore", "select",
            "versions", "nonsense",
            "nonsense=1", "acl", "lifecycle", "cors", "policy", "tagging", "object-lock", "encryption", "versioning",
            "replication",
        ])
    func unknown(name: String) {
        // What is answered for a bucket that is asked about it.
        let settings = Set(BucketSetting.allCases.map(\.rawValue))
        let known: [String: Set<String>] = [
            "GET": settings.union([
                "acl", "versioning", "replication", "policyStatus", "versions",
            ]),
            "PUT": settings.union(["acl", "versioning"]),
            "DELETE": [
                "policy", "cors", "tagging", "lifecycle", "website", "encryption", "publicAccessBlock",
                "ownershipControls",
            ],
        ]
        for method in [HTTPMethod.GET, .PUT, .DELETE, .POST, .HEAD] {
            if known[method.rawValue]?.contains(name) != true {
                #expect(refusal(method, "/eo?\(name)") == "NotImplemented", "\(method) of a bucket")
            }
            let changeable: Set<String> = ["acl", "tagging", "retention", "legal-hold"]
            let onObject: [String: Set<String>] = [
                "GET": changeable.union(["attributes"]), "PUT": changeable, "DELETE": ["tagging"],
            ]
            if onObject[method.rawValue]?.contains(name) != true {
                #expect(refusal(method, "/eo/key?\(name)") == "NotImplemented", "\(method) of an object")
            }
        }
    }

    @Test("what cannot be meant is told")
    func malformed() {
        #expect(refusal(.GET, "/eo?list-type=3") == "InvalidArgument")
        #expect(refusal(.GET, "/eo?max-keys=-1") == "InvalidArgument")
        #expect(refusal(.GET, "/eo?max-keys=a") == "InvalidArgument")
        #expect(refusal(.GET, "/eo?encoding-type=base64") == "InvalidArgument")
        #expect(refusal(.GET, "/eo?list-type=2&continuation-token=***") == "InvalidArgument")
        #expect(refusal(.GET, "/eo/%zz") == "InvalidURI")
        #expect(refusal(.GET, "/eo/%ff") == "InvalidURI")
        #expect(refusal(.GET, "/eo?prefix=%zz") == "InvalidURI")
        #expect(refusal(.PUT, "/eo/key?uploadId=u") == "InvalidArgument")
        #expect(refusal(.PATCH, "/eo/key") == "MethodNotAllowed")
        #expect(refusal(.DELETE, "/") == "MethodNotAllowed")
        #expect(refusal(.PUT, "/eo/key?versionId=3") == "NotImplemented")
        #expect(refusal(.GET, "/eo/key?partNumber=0") == "InvalidArgument")
        #expect(refusal(.GET, "/eo?versions&version-id-marker=x") == "InvalidArgument")
    }
}

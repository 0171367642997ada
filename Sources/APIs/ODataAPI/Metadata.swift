import Catalogue
import HTTPSupport
import NIOHTTP1
import ODataFilter
import Policy
import Wire

extension ODataService {
    /// What there is (OData JSON Format 4.01, §5).
    func serviceDocument(_ call: Call) -> Response {
        var json = JSONWriter()
        json.object { json in
            json.member("@odata.context", "\(call.base)/$metadata")
            json.key("value")
            json.array { json in
                for name in ["Products", "DeletedProducts", "Subscriptions", "Attributes"] {
                    json.object {
                        $0.member("name", name)
                        $0.member("kind", "EntitySet")
                        $0.member("url", name)
                    }
                }
            }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    /// The names of attributes, of one collection or of all: what its items have properties of.
    func attributeNames(_ collection: String?, _ call: Call) async throws -> Response {
        let all = try await catalogue.directory()
        let name = collection.map { FilterTranslation.own($0, in: all) }
        let directory = try await visible(call, only: name.map { [$0] })
        if let name, !directory.contains(name) {
            throw Problem.notFound("there is no collection '\(name.prefix(80))'")
        }
        let own = try await catalogue.queryables(directory)
        let names = Set(own.map(\.name))
        let known = KnownAttribute.all.filter { $0.properties.contains(where: names.contains) }
        var json = JSONWriter(capacity: 2048)
        func member(_ name: String, _ type: ODataFilter.AttributeType, _ json: inout JSONWriter) {
            json.object {
                $0.member("Name", name)
                $0.member("ValueType", type.valueType)
            }
        }
        // A bare list, as clients of the Copernicus Data Space expect it.
        json.array { json in
            for attribute in known { member(attribute.name, attribute.type, &json) }
            for property in own { member(property.name, ODataFilter.AttributeType(property.types), &json) }
        }
        return Response(.ok, type: MediaType.json, bytes: json.bytes)
    }

    /// The entity model (OData CSDL XML 4.01).
    var metadata: Response {
        func list(_ members: [(String, String)]) -> String {
            members.map { name, type in
                "<Property Name=\"\(name)\" Type=\"Edm.\(type)\"\(name == "Id" ? " Nullable=\"false\"" : "")/>"
            }.joined()
        }
        let properties = list([
            ("Id", "Guid"), ("Name", "String"), ("ContentType", "String"), ("ContentLength", "Int64"),
            ("OriginDate", "DateTimeOffset"), ("PublicationDate", "DateTimeOffset"),
            ("ModificationDate", "DateTimeOffset"), ("Online", "Boolean"), ("EvictionDate", "DateTimeOffset"),
            ("S3Path", "String"), ("Footprint", "GeographyPolygon"),
        ])
        let deletedProperties = list([
            ("Id", "Guid"), ("Name", "String"), ("DeletionDate", "DateTimeOffset"), ("DeletionCause", "String"),
            ("OriginDate", "DateTimeOffset"), ("PublicationDate", "DateTimeOffset"),
            ("ModificationDate", "DateTimeOffset"), ("Online", "Boolean"), ("Footprint", "GeographyPolygon"),
        ])
        let subscriptionProperties = list([
            ("Id", "Guid"), ("SubscriptionType", "String"), ("Status", "String"), ("FilterParam", "String"),
            ("Priority", "Int64"), ("StageOrder", "Boolean"), ("SubmissionDate", "DateTimeOffset"),
            ("LastNotificationDate", "DateTimeOffset"), ("NotificationEndpoint", "String"),
            ("NotificationEpUsername", "String"),
        ])
        let attributes = [
            ("String", "String"), ("Integer", "Int64"), ("Double", "Double"), ("DateTimeOffset", "DateTimeOffset"),
            ("Boolean", "Boolean"),
        ].map { name, type in
            "<EntityType Name=\"\(name)Attribute\" BaseType=\"OData.CSC.Attribute\">"
                + "<Property Name=\"Value\" Type=\"Edm.\(type)\"/></EntityType>"
        }.joined()
        let text = """
            <?xml version="1.0" encoding="UTF-8"?>
            <edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx"><edmx:DataServices>\
            <Schema Namespace="OData.CSC" xmlns="http://docs.oasis-open.org/odata/ns/edm">\
            <EntityType Name="Product" HasStream="true"><Key><PropertyRef Name="Id"/></Key>\(properties)\
            <Property Name="ContentDate" Type="OData.CSC.TimeRange"/>\
            <Property Name="Checksum" Type="Collection(OData.CSC.Checksum)"/>\
            <NavigationProperty Name="Attributes" Type="Collection(OData.CSC.Attribute)"/>\
            <NavigationProperty Name="Nodes" Type="Collection(OData.CSC.Node)"/></EntityType>\
            <EntityType Name="DeletedProduct"><Key><PropertyRef Name="Id"/></Key>\(deletedProperties)\
            <Property Name="ContentDate" Type="OData.CSC.TimeRange"/>\
            <NavigationProperty Name="Attributes" Type="Collection(OData.CSC.Attribute)"/></EntityType>\
            <EntityType Name="Subscription"><Key><PropertyRef Name="Id"/></Key>\(subscriptionProperties)\
            <Property Name="SubscriptionEvent" Type="Collection(Edm.String)"/></EntityType>\
            <EntityType Name="Attribute" Abstract="true"><Key><PropertyRef Name="Name"/></Key>\
            <Property Name="Name" Type="Edm.String" Nullable="false"/><Property Name="ValueType" Type="Edm.String"/>\
            </EntityType>\(attributes)\
            <EntityType Name="Node" HasStream="true"><Key><PropertyRef Name="Id"/></Key>\
            <Property Name="Id" Type="Edm.String" Nullable="false"/><Property Name="Name" Type="Edm.String"/>\
            <Property Name="ContentLength" Type="Edm.Int64"/><Property Name="ChildrenNumber" Type="Edm.Int64"/>\
            <NavigationProperty Name="Nodes" Type="Collection(OData.CSC.Node)"/></EntityType>\
            <ComplexType Name="TimeRange"><Property Name="Start" Type="Edm.DateTimeOffset"/>\
            <Property Name="End" Type="Edm.DateTimeOffset"/></ComplexType>\
            <ComplexType Name="Checksum"><Property Name="Value" Type="Edm.String"/>\
            <Property Name="Algorithm" Type="Edm.String"/><Property Name="ChecksumDate" Type="Edm.DateTimeOffset"/>\
            </ComplexType><EntityContainer Name="Container">\
            <EntitySet Name="Products" EntityType="OData.CSC.Product"/>\
            <EntitySet Name="DeletedProducts" EntityType="OData.CSC.DeletedProduct"/>\
            <EntitySet Name="Subscriptions" EntityType="OData.CSC.Subscription"/>\
            <EntitySet Name="Attributes" EntityType="OData.CSC.Attribute"/></EntityContainer>\
            </Schema></edmx:DataServices></edmx:Edmx>
            """
        return Response(.ok, type: "application/xml", text: text)
    }
}

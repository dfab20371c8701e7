package openai

import "strconv"

// Model is an entry of the list of models.
type Model struct {
	ID          string
	Created     int64 // Unix seconds
	OwnedBy     string
	MaxModelLen int // tokens; 0 is unknown and left out
}

// AppendModel appends the body of GET /v1/models/{id}.
func AppendModel(dst []byte, m *Model) []byte {
	dst = append(dst, `{"id":`...)
	dst = appendString(dst, m.ID)
	dst = append(dst, `,"object":"model","created":`...)
	dst = strconv.AppendInt(dst, m.Created, 10)
	dst = append(dst, `,"owned_by":`...)
	dst = appendString(dst, m.OwnedBy)
	if m.MaxModelLen > 0 {
		dst = append(dst, `,"max_model_len":`...)
		dst = strconv.AppendInt(dst, int64(m.MaxModelLen), 10)
	}
	return append(dst, '}')
}

// AppendModels appends the body of GET /v1/models.
func AppendModels(dst []byte, models []Model) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	for i := range models {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendModel(dst, &models[i])
	}
	return append(dst, "]}"...)
}

package openai

import "testing"

func TestModels(t *testing.T) {
	models := []Model{{ID: "Org/\"m\"", Created: 1764000000, OwnedBy: "pilothouse", MaxModelLen: 8192}, {ID: "n"}}
	const first, second = `{"id":"Org/\"m\"","object":"model","created":1764000000,"owned_by":"pilothouse","max_model_len":8192}`, `{"id":"n","object":"model","created":0,"owned_by":""}`
	for _, c := range []struct{ got, want string }{
		{string(AppendModel([]byte("x"), &models[0])), "x" + first},
		{string(AppendModels(nil, models)), `{"object":"list","data":[` + first + "," + second + "]}"},
		{string(AppendModels(nil, nil)), `{"object":"list","data":[]}`},
	} {
		if c.got != c.want {
			t.Errorf("\n got %s\nwant %s", c.got, c.want)
		}
	}
}
